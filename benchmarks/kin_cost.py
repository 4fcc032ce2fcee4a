"""What kin rules cost: processor time of a step, and the part of it that decides who is kin.

    .venv/bin/python -m benchmarks.kin_cost                      all methods and kin rules
    .venv/bin/python -m benchmarks.kin_cost --only msf fnc       some of them

Settings of `benchmarks.family`, on noise; each kin rule that can be added stands on MoCo v3.
Time is that of the processor, so that a busy machine changes little; a median over steps.
"""

import argparse
import os
import platform
import statistics
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import numpy as np
import torch

from benchmarks.family import METHOD_OPTIONS, OPTIMISER
from benchmarks.grid import RESULTS, write
from benchmarks.mini import SHARED
from ilk.adoptions import ADOPTIONS
from ilk.core import Kin, KinRule, Look, Rows
from ilk.data import Arrays
from ilk.train import Settings
from ilk.train.setup import Setup

IMAGES, STEPS = 512, 4


@dataclass(frozen=True)
class Timed:
    """A kin rule that notes how long it takes."""

    rule: KinRule
    spent: list[float] = field(default_factory=list)

    def __call__(self, queries: Rows, candidates: Rows, look: Look) -> Kin:
        """The rule's own answer."""
        began = time.process_time()
        kin = self.rule(queries, candidates, look)
        self.spent.append(time.process_time() - began)
        return kin


def cases() -> dict[str, dict[str, Any]]:
    """Settings by name: every method, then every kin rule on MoCo v3."""
    alone = {name: {"method": name} for name in METHOD_OPTIONS}
    added = {f"moco-v3 + {name}": {"method": "moco-v3", "kin": name} for name in ADOPTIONS}
    return {**alone, **added}


def cost(changes: Mapping[str, Any], source: Arrays, steps: int) -> dict[str, Any]:
    """Milliseconds of a step, and of the rules in it."""
    settings = Settings(
        **{**SHARED, **changes, "epochs": None, "steps": steps + 1, "knn_every": 0},
        method_options=METHOD_OPTIONS[changes["method"]],
        kin_options={"size": 4096} if changes.get("kin") == "neighbours" else {},
        optimiser_options=OPTIMISER,
        workers=1,
    )
    setup = Setup(settings, source)
    trainer = setup.trainer
    clocks = [Timed(term.kin) for term in trainer.method.terms]
    terms = zip(trainer.method.terms, clocks, strict=True)
    trainer.method = replace(
        trainer.method, terms=tuple(replace(term, kin=clock) for term, clock in terms)
    )
    whole: list[float] = []
    deciding: list[float] = []
    for batch in setup.loader.batches(0, steps + 1):
        began = time.process_time()
        trainer.take_step([batch], setup.length.progress(trainer.step))
        whole.append(time.process_time() - began)
        deciding.append(sum(clock.spent[-1] for clock in clocks))
    step, kin = (1000 * statistics.median(times[1:]) for times in (whole, deciding))
    memory = sum(part.nbytes for part in trainer.memory.buffers())
    return {
        "rules": sorted({type(clock.rule).__name__ for clock in clocks}),
        "step_ms": round(step, 2),
        "kin_ms": round(kin, 3),
        "memory_bytes": memory,
    }


def noise(count: int) -> Arrays:
    """Pictures of nothing, in ten classes."""
    images = np.random.default_rng(0).integers(0, 256, (count, 32, 32, 3)).astype(np.uint8)
    return Arrays(images, np.arange(count) % 10)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--only", nargs="+", choices=[*cases()], default=[*cases()])
    torch.set_num_threads(1)
    chosen = parser.parse_args().only
    rows = {}
    for name in chosen:
        rows[name] = cost(cases()[name], noise(IMAGES), STEPS)
        print(name, rows[name], flush=True)
    if set(chosen) == set(cases()):
        write(
            RESULTS / "kin_cost.json",
            {
                "command": "python -m benchmarks.kin_cost",
                "date": datetime.now(UTC).isoformat(timespec="seconds"),
                "machine": {"platform": platform.platform(), "processors": os.cpu_count()},
                "versions": {"torch": torch.__version__},
                "batch_size": SHARED["batch_size"],
                "rows": rows,
            },
        )
