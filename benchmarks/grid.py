"""A grid of training runs that can be stopped at any time and started again.

Each finished cell is a JSON file under ``results/<grid>/``; one that was cut short goes on
from its checkpoint. Cells are counted in epochs, so a busy machine changes nothing but the
time. Several processes may work on one grid: each takes the next cell that nobody works on.
"""

import base64
import contextlib
import fcntl
import json
import os
import platform
import time
from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console

from ilk.core.errors import UserError
from ilk.data import Source
from ilk.embedding import embed
from ilk.evaluate import Images, Result, evaluate, pixels
from ilk.networks import Encoder, load_encoder
from ilk.progress import TrainDisplay
from ilk.train import Settings, resume, train

RESULTS = Path(__file__).parent / "results"
RUNS = Path(__file__).parent.parent / "runs"


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One run and its scores.

    Args:
        name: of the cell, without the seed.
        settings: of the run; empty for ``pixels`` and for the ``untrained`` network.
        images: what it learns from, where that is not what the probes are trained on.
    """

    name: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    images: Source | None = None


@dataclass(frozen=True, kw_only=True)
class Grid:
    """All cells over all seeds on one data set.

    Args:
        name: of the folder of results.
        shared: settings of all runs.
        train: data that is learned from and that the probes are trained on.
        test: data that is scored.
        cells: in the order in which they are run.
        command: what runs it; empty is the make target of its name.
        first_seed: of the seeds that are run.
        corrupted: part of the test data on which accuracy under corruptions is measured too;
            None leaves that out.
    """

    name: str
    shared: Mapping[str, Any]
    train: Source
    test: Source
    cells: tuple[Cell, ...]
    command: str = ""
    first_seed: int = 0
    corrupted: Source | None = None

    def run(self, seeds: int, only: str | None = None) -> None:
        """Finish every cell that is not finished yet, first all cells of the first seed."""
        console = Console()
        for seed in range(self.first_seed, self.first_seed + seeds):
            for cell in self.cells:
                if only and only != cell.name:
                    continue
                path = RESULTS / self.name / f"{cell.name}-seed{seed}.json"
                with alone(RUNS / self.name / f"{cell.name}-seed{seed}.lock") as mine:
                    if mine and not path.exists():
                        console.rule(f"{cell.name}, seed {seed}")
                        write(path, self._cell(cell, seed, console))

    def _cell(self, cell: Cell, seed: int, console: Console) -> dict[str, Any]:
        directory = RUNS / self.name / f"{cell.name}-seed{seed}"
        began, worked = time.perf_counter(), time.process_time()
        afresh = not (directory / "run.json").exists()
        record: dict[str, Any] = {}
        if cell.name == "pixels":
            parts = [pixels(part) for part in (self.train, self.test)]
        else:
            if cell.settings:
                record = self._trained(cell, seed, directory, console)
                worked = time.process_time() - worked
            encoder = load_encoder(directory) if cell.settings else self._untrained(seed)
            parts = [embed(encoder, part) for part in (self.train, self.test)]
        found = evaluate(*parts, seed=seed)
        if self.corrupted is not None and cell.name != "pixels":
            images = Images(encoder=encoder, train=self.train, test=self.corrupted)
            some = embed(encoder, self.corrupted)
            found += evaluate(parts[0], some, ["robustness"], seed=seed, images=images)
        for result in found:
            console.print(f"{cell.name}: {result.protocol} {result.value:.4f}")
        return {
            "cell": cell.name,
            "seed": seed,
            **facts(self.command or f"make {self.name}"),
            "seconds": round(time.perf_counter() - began, 1),
            "train_seconds": record.get("seconds"),
            # Of all threads, whatever else ran; not known of a run that was taken up again.
            "train_processor_seconds": round(worked, 1) if cell.settings and afresh else None,
            "settings": record.get("settings"),
            "images": None if cell.images is None else len(cell.images),
            "length": record.get("length"),
            "versions": record.get("versions"),
            "commit": record.get("commit"),
            "online_knn": online_scores(directory / "metrics.jsonl"),
            "results": [result.to_dict() | {"right": packed(result)} for result in found],
        }

    def _untrained(self, seed: int) -> Encoder:
        return load_encoder(
            f"random:{self.shared['backbone']}", image_size=self.shared["image_size"], seed=seed
        )

    def _trained(
        self, cell: Cell, seed: int, directory: Path, console: Console
    ) -> dict[str, Any]:
        record = directory / "run.json"
        status = json.loads(record.read_text())["status"] if record.exists() else None
        with TrainDisplay(console, cell.name) as display:
            if status is None:
                settings = Settings(seed=seed, **{**self.shared, **cell.settings})
                train(settings, cell.images or self.train, directory, display)
            elif status != "finished":
                resume(directory, display, cell.images or self.train)
        return json.loads(record.read_text())


def facts(command: str) -> dict[str, Any]:
    """What was called, when and on what."""
    return {
        "command": command,
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": {
            "platform": platform.platform(),
            "processors": os.cpu_count(),
            "threads": torch.get_num_threads(),
        },
    }


def packed(result: Result) -> str | None:
    """Which test items were classified correctly, a bit each, in base64.

    Differences over seeds are paired over test items, so JSON must hold them; None where
    scores are not 0 and 1.
    """
    scores = result.scores
    if scores is None or not np.isin(scores, (0, 1)).all():
        return None
    return base64.b64encode(np.packbits(scores.astype(bool)).tobytes()).decode()


def unpacked(result: Mapping[str, Any]) -> np.ndarray:
    """The scores of a result that ``packed`` kept: 0 or 1 for each test item."""
    bits = np.frombuffer(base64.b64decode(result["right"]), np.uint8)
    return np.unpackbits(bits, count=result["n_test"]).astype(np.float64)


def online_scores(path: Path) -> list[tuple[float, float]]:
    """Epoch and online k-NN accuracy over a run."""
    if not path.exists():
        return []
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    return [(round(line["epoch"], 2), line["knn"]) for line in lines if "knn" in line]


@contextlib.contextmanager
def alone(lock: Path) -> Generator[bool]:
    """Whether this process holds a lock, which goes with the process however it ends."""
    lock.parent.mkdir(parents=True, exist_ok=True)
    with lock.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            yield False
        else:
            yield True


def write(path: Path, result: Mapping[str, Any]) -> None:
    """Write a result whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_suffix(".tmp")
    beside.write_text(json.dumps(result, indent=1, default=str) + "\n")
    beside.replace(path)


def absent(path: Path) -> UserError:
    """The data of a benchmark is not there."""
    return UserError(f"benchmark: {path} must exist; see benchmarks/README.md for its layout")
