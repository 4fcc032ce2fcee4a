"""The laws of the tests on a device, and those that only a device can break."""

import copy
import functools
import json
import os
import shutil
import signal
from collections.abc import Iterable
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning_fabric import Fabric
from safetensors.torch import load_file
from torch import Tensor

from benchmarks.gpu.place import Place, Scale, Unit
from ilk.data import Arrays
from ilk.train import Interrupted, Settings, resume, train
from ilk.train.loop.trainer import Trainer
from ilk.train.records.checkpoint import flattened_optimiser, restore_optimiser
from tests.golden.losses import first_losses, recorded
from tests.laws.world import CASES, batch, built, label, progress

TOLERANCE = 1e-6  # relative, of golden losses, as on processors
COMPILED = 1e-3  # relative, of losses in single precision: kernels sum in another order
STEPS, STOP = 4, 2  # of a run that is resumed, and after how many it is stopped
NETWORKS: dict[str, dict[str, Any]] = {
    "resnet": {"backbone": "resnet_mini", "image_size": 32},
    "vit": {
        "backbone": "vit_tiny_patch16_224",
        "backbone_options": {"patch_size": 4, "embed_dim": 64, "depth": 3, "num_heads": 4},
        "image_size": 32,
    },
}


def units(scale: Scale) -> dict[str, Unit]:
    """A unit for each law and case."""
    cases = [case for case in CASES if not scale.laws or label(case) in scale.laws]
    laws = {"golden": golden, "half": half, "resume": resumed}
    found: dict[str, Unit] = {
        f"{law}/{label(case)}": functools.partial(check, case)
        for law, check in laws.items()
        for case in cases
    }
    for name in NETWORKS if not scale.laws else ("resnet",):
        found[f"resume-run/{name}"] = functools.partial(resumed_run, name)
        if scale.compiles:
            found[f"compile/{name}"] = functools.partial(compiled, name)
    return found


def golden(case: tuple[str | None, ...], place: Place) -> dict[str, Any]:
    """The first losses in double precision are those that processors gave."""
    found = first_losses(built(Fabric(accelerator=place.device, devices=1), *case))
    expected = recorded()[label(case)]
    apart = [abs(a - b) / max(abs(b), 1e-12) for a, b in zip(found, expected, strict=True)]
    over = [step for step, error in enumerate(apart) if not error <= TOLERANCE]
    return {"holds": not over, "worst": max(apart), "at_most": TOLERANCE, "steps_over": over}


def half(case: tuple[str | None, ...], place: Place) -> dict[str, Any]:
    """One step in bfloat16 leaves finite numbers alone."""
    fabric = Fabric(accelerator=place.device, devices=1, precision="bf16-mixed")
    trainer = built(fabric, *case)
    result = trainer.take_step([batch(trainer.method.views, 0)], progress(0))
    state = trainer.state()
    broken = [name for name, tensor in state.items() if not torch.isfinite(tensor).all()]
    finite = np.isfinite([result.loss, result.grad_norm]).all()
    return {"holds": bool(finite) and not broken, "loss": result.loss, "broken": broken}


def resumed(case: tuple[str | None, ...], place: Place) -> dict[str, Any]:
    """From a state in the middle the same steps follow, bit for bit.

    As the loop is, and where torch is asked for deterministic kernels: where the two differ, a
    kernel sums in any order.
    """
    fabric = Fabric(accelerator=place.device, devices=1)
    rows = {}
    for wanted in (False, True):
        with deterministic(wanted):
            first, second = built(fabric, *case), built(fabric, *case)
            for step in range(STEPS):
                if step == STOP:
                    state = whole_state(first)
                _step(first, step)
            with torch.no_grad():  # nothing survives but what the state holds
                for tensor in second.student.parameters():
                    tensor.add_(1.0)
            second.load_state(state)
            restore_optimiser(second.optimiser.optimizer, state)
            second.step = STOP
            for step in range(STOP, STEPS):
                _step(second, step)
            rows[wanted] = apart(whole_state(first), whole_state(second))
    return {"holds": not rows[False], "differs": rows[False], "differs_asked": rows[True]}


def _step(trainer: Trainer, step: int) -> None:
    trainer.take_step([batch(trainer.method.views, step)], progress(step))


def whole_state(trainer: Trainer) -> dict[str, Tensor]:
    """Everything that training changes, copied."""
    return copy.deepcopy(trainer.state() | flattened_optimiser(trainer.optimiser.optimizer))


def apart(a: dict[str, Tensor], b: dict[str, Tensor]) -> dict[str, float]:
    """The largest difference of every tensor that is not the same, for at most ten of them."""
    if a.keys() != b.keys():
        return {name: float("nan") for name in sorted(a.keys() ^ b.keys())[:10]}
    other = [name for name in a if not torch.equal(a[name], b[name])]
    return {name: (a[name] - b[name]).abs().max().item() for name in other[:10]}


@contextmanager
def deterministic(wanted: bool):
    """Kernels that sum in one order, where torch has them."""
    before = torch.are_deterministic_algorithms_enabled()
    torch.use_deterministic_algorithms(wanted, warn_only=True)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before)


@dataclass
class Stopping:
    """A watcher that ends a run by a signal, as a person would."""

    after: int

    def on_step(self, step: int, steps: int, numbers: dict[str, float]) -> None:
        if step == self.after:
            os.kill(os.getpid(), signal.SIGTERM)

    def on_message(self, message: str) -> None:
        print(message)


def resumed_run(network: str, place: Place) -> dict[str, Any]:
    """A run that was stopped and goes on ends with the checkpoint of one that was not."""
    settings = _settings(network, place, steps=STEPS)
    rows = {}
    for wanted in (False, True):
        with deterministic(wanted):
            one, two = (_fresh(place, f"{network}-{name}-{wanted}") for name in ("one", "two"))
            train(settings, _noise(), one, Stopping(-1))
            try:
                train(settings, _noise(), two, Stopping(STOP))
            except Interrupted:
                resume(two, Stopping(-1), _noise())
        rows[wanted] = apart(*(_checkpoint(run) for run in (one, two)))
    return {"holds": not rows[False], "differs": rows[False], "differs_asked": rows[True]}


def compiled(network: str, place: Place) -> dict[str, Any]:
    """Compiled or not, a run has the same losses but for rounding, and saves the same names."""
    runs = []
    for wanted in (False, True):
        runs.append(_fresh(place, f"{network}-compiled-{wanted}"))
        settings = _settings(network, place, steps=STEPS, compile=wanted, precision="32-true")
        train(settings, _noise(), runs[-1], Stopping(-1))
    plain, fast = (list(_losses(run)) for run in runs)
    worst = max(abs(a - b) / abs(a) for a, b in zip(plain, fast, strict=True))
    names = [set(_checkpoint(run)) for run in runs]
    holds = worst <= COMPILED and names[0] == names[1]
    return {"holds": holds, "worst": worst, "at_most": COMPILED, "losses": [plain, fast]}


def _settings(network: str, place: Place, **further: Any) -> Settings:
    options = {"hidden": 64, "dim": 16, "warmup_epochs": 0}
    return Settings(
        method="moco-v3", mix="sdmp", method_options=options, batch_size=16, workers=2,
        device=place.device, defaults="paper", knn_every=0, **NETWORKS[network], **further,
    )  # fmt: skip


def _fresh(place: Place, name: str) -> Path:
    run = place.runs / "laws" / name
    shutil.rmtree(run, ignore_errors=True)
    return run


def _noise() -> Arrays:
    images = np.random.default_rng(0).integers(0, 256, (64, 40, 40, 3), dtype=np.uint8)
    return Arrays(images, name="noise")


def _checkpoint(run: Path) -> dict[str, Tensor]:
    return load_file(run / "checkpoint.safetensors")


def _losses(run: Path) -> Iterable[float]:
    lines = (run / "metrics.jsonl").read_text().splitlines()
    return (json.loads(line)["loss"] for line in lines)
