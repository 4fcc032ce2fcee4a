"""Grids of training runs, each a study whose results are kept as JSON.

`ilk.study` trains and scores, as for `ilk compare`: a grid can be stopped at any time and
started again, and several processes may work on it. Each finished cell is a JSON file in
``results/<grid>/``. Cells are counted in epochs or steps, so a busy machine changes nothing but
the time.
"""

import base64
import json
import time
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console

from ilk.core import Busy, UserError
from ilk.data import LabelMaps, Source, open_source
from ilk.evaluate import Result
from ilk.progress import TrainDisplay
from ilk.study import Cell as StudyCell
from ilk.study import Study, Watch
from ilk.train import Settings, begun, read_record, settings_asked
from ilk.train.records.record import now, surroundings
from ilk.train.records.stages import STAGES, read_stages

RESULTS = Path(__file__).parent / "results"
RUNS = Path(__file__).parent.parent / "runs"
CORRUPTED = "robustness@1"


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One run and its scores.

    Args:
        name: name of the cell, without the seed.
        settings: settings of the run; empty for ``pixels``, for the ``untrained`` network and
            for one that is scored as it is.
        images: what it learns from, where that is not what the probes are trained on.
        encoder: a network that is scored as it is, a run or a name; empty for all others.
    """

    name: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    images: Source | None = None
    encoder: str = ""


@dataclass(frozen=True, kw_only=True)
class Grid:
    """All cells over all seeds on one data set.

    Args:
        name: name of the folder of results.
        shared: settings of all runs.
        train: data that is learned from and that the probes are trained on.
        learned: data that is learned from, where that is not ``train``.
        test: data that is scored.
        cells: all cells, in the order in which they are run.
        command: what runs it; empty is the make target of its name.
        first_seed: the least of the seeds that are run.
        corrupted: part of the test data on which accuracy under corruptions is measured too;
            None leaves that out.
        protocols: how cells are scored.
        masks: what the pixels of ``train`` and ``test`` show, for protocols that ask.
        notes: what else their JSON shall say.
    """

    name: str
    shared: Mapping[str, Any]
    train: Source
    test: Source
    cells: tuple[Cell, ...]
    command: str = ""
    first_seed: int = 0
    corrupted: Source | None = None
    protocols: tuple[str, ...] = ("knn@1", "linear@1")
    learned: Source | None = None
    masks: Mapping[str, LabelMaps | None] = field(default_factory=dict)
    notes: Mapping[str, Any] = field(default_factory=dict)

    def study(self, seeds: int) -> Study:
        """The runs and scores of all cells; baselines come last, they need a network."""
        cells = [self._cell(cell) for cell in self.cells]
        return Study(
            directory=RUNS / self.name,
            cells=tuple(sorted(cells, key=lambda cell: cell.settings is None)),
            seeds=seeds,
            learned=self.train if self.learned is None else self.learned,
            names={"train": self.train.name, "test": self.test.name},
            train=self.train,
            test=self.test,
            protocols=(*self.protocols, *([CORRUPTED] if self.corrupted else [])),
            first_seed=self.first_seed,
            masks=self.masks,
            other_tests={CORRUPTED: self.corrupted} if self.corrupted else {},
        )

    def _cell(self, cell: Cell) -> StudyCell:
        asked = {"precision": "32-true", **self.shared, **cell.settings}  # on any machine
        settings = Settings(**asked) if cell.settings else None
        return StudyCell(
            name=cell.name, settings=settings, learned=cell.images, encoder=cell.encoder
        )

    def run(self, seeds: int, only: str | None = None) -> None:
        """Finish every cell that is not finished yet, first all cells of the first seed.

        A cell that fails leaves its reason beside the results, as ``NAME.failed``, and the
        others go on. It is tried again by the next call.

        Raises:
            UserError: at the end, where cells failed.
        """
        console, whole, failed = Console(), self.study(seeds), list[str]()
        for cell, seed, _ in whole.places():
            path = RESULTS / self.name / f"{cell.name}-seed{seed}.json"
            if path.exists() or only not in (None, cell.name):
                continue
            reason = path.with_suffix(".failed")
            try:
                content = self._finished(whole, cell, seed, console)
            except Busy as busy:
                console.print(str(busy), markup=False)
            except UserError as error:
                console.print(f"{cell.name} failed: {error}", markup=False)
                failed.append(cell.name)
                write(reason, {"cell": cell.name, "seed": seed, "reason": str(error)})
            else:
                write(path, content)
                reason.unlink(missing_ok=True)
        if failed:
            raise UserError(
                f"{self.name}: {', '.join(failed)} failed; see {RESULTS / self.name}/*.failed"
            )

    def _finished(
        self, whole: Study, cell: StudyCell, seed: int, console: Console
    ) -> dict[str, Any]:
        place, watch = whole.place(cell, seed), watching(console)
        began, worked = time.perf_counter(), time.process_time()
        afresh = cell.settings is not None and not begun(place)
        whole.learn(cell, seed, watch)
        worked = time.process_time() - worked
        whole.score(cell, seed, watch)
        found = whole.results(place)
        record = {} if cell.settings is None else read_record(place)
        for result in found.values():
            console.print(f"{cell.name}: {result.protocol} {result.value:.4f}")
        return {
            "cell": cell.name,
            "seed": seed,
            **self.notes,
            **facts(self.command or f"make {self.name}"),
            "seconds": round(time.perf_counter() - began, 1),
            "train_seconds": record.get("seconds"),
            # Of all threads, whatever else ran; not known of a run that was taken up again.
            "train_processor_seconds": round(worked, 1) if afresh else None,
            "settings": settings_asked(place, record) if record else None,
            "images": None if cell.learned is None else len(cell.learned),
            "length": record.get("length"),
            # Those that trained it, which may have been earlier.
            **{name: record[name] for name in ("versions", "commit") if name in record},
            "guard": record.get("guard"),
            "online_knn": online_scores(place / "metrics.jsonl"),
            **watched(place / "metrics.jsonl"),
            **staged(place),
            "results": [
                found[name].to_dict() | packed(found[name])
                for name in whole.protocols
                if name in found
            ],
        }


def watching(console: Console) -> Watch:
    """Draws what a study does."""

    @contextmanager
    def watch(title: str) -> Generator[TrainDisplay]:
        with TrainDisplay(console, title) as display:
            yield display

    return watch


def facts(command: str) -> dict[str, Any]:
    """What was called, when, of which commit, with what and on what."""
    around = surroundings()
    return {
        "command": command,
        "commit": around["commit"] or "unknown",
        "versions": around["versions"],
        "date": now(),
        "machine": around["machine"] | {"threads": torch.get_num_threads()},
    }


def packed(result: Result) -> dict[str, Any]:
    """The scores of test items for JSON: a bit each, or a byte where scores are shares.

    Differences over seeds are paired over test items, so JSON must hold them. Under corruptions
    the score of an item is the share of ``of`` answers that were right.
    """
    scores = result.scores
    of = (
        None if scores is None else next((n for n in range(1, 256) if _whole(scores * n)), None)
    )
    if scores is None or of is None:
        return {"right": None}
    counts = np.rint(scores * of).astype(np.uint8)
    data = np.packbits(counts) if of == 1 else counts
    kept = {"right": base64.b64encode(data.tobytes()).decode()}
    return kept if of == 1 else kept | {"of": of}


def _whole(numbers: np.ndarray) -> bool:
    return bool(np.allclose(numbers, np.rint(numbers), atol=1e-6))


def unpacked(result: Mapping[str, Any]) -> np.ndarray:
    """The scores that ``packed`` kept, in [0, 1] for each test item."""
    data = np.frombuffer(base64.b64decode(result["right"]), np.uint8)
    if "of" in result:
        return data / result["of"]
    return np.unpackbits(data, count=result["n_test"]).astype(np.float64)


def online_scores(path: Path) -> list[tuple[float, float]]:
    """Epoch and online k-NN accuracy over a run."""
    if not path.exists():
        return []
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    return [(round(line["epoch"], 2), line["knn"]) for line in lines if "knn" in line]


def staged(place: Path) -> dict[str, Any]:
    """What each stage of a run was given by the one before, where a method has stages."""
    return {"stages": read_stages(place)["stages"]} if (place / STAGES).exists() else {}


def watched(path: Path) -> dict[str, dict[str, float]]:
    """What was last seen of the unlabelled images, where a method has any."""
    if not path.exists():
        return {}
    names = ("pseudo_share", "pseudo_accuracy", "unlabelled_grad_norm")
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    last = {name: line[name] for line in lines for name in names if name in line}
    return {"watched": last} if last else {}


def write(path: Path, result: Mapping[str, Any]) -> None:
    """Write a result whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_suffix(".tmp")
    beside.write_text(json.dumps(result, indent=1, default=str) + "\n")
    beside.replace(path)


def kept_cells(place: Path, name: str) -> list[dict[str, Any]]:
    """What a folder of results holds of a cell, seed by seed in their order."""
    paths = sorted(place.glob(f"{name}-seed*.json"), key=lambda path: (len(path.name), path))
    return [json.loads(path.read_text()) for path in paths]


def in_percent(result: Mapping[str, Any]) -> str:
    """A score with its 95 % interval."""
    low, high = (100 * end for end in result["interval"])
    return f"{100 * result['value']:.1f} % ({low:.1f} to {high:.1f})"


def opened(path: Path, part: str = "") -> Source:
    """The data of a benchmark, or a part of it.

    Raises:
        UserError: the file is not there.
    """
    if not path.exists():
        raise absent(path)
    return open_source(f"{path}:{part}" if part else str(path))


def absent(path: Path) -> UserError:
    """The data of a benchmark is not there."""
    return UserError(f"benchmark: {path} must exist; see benchmarks/README.md for its layout")
