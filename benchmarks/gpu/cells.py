"""The decisive cells of the map of regimes with a network fifty times as large.

MoCo v3 with no mix, SDMP and i-Mix side by side, on the same images, for as many of them as the
time allows: first the pace of all three together is measured, then each sees equally many.
"""

import functools
from dataclasses import replace
from pathlib import Path
from typing import Any

from rich.console import Console

from benchmarks.gpu.place import Place, Scale, Unit
from benchmarks.gpu.speed import stream
from benchmarks.grid import Cell, Grid
from benchmarks.mini import MOCO_V3
from benchmarks.regimes import BATCH, WARM, shared
from ilk.train import Settings
from ilk.train.loop.optimiser import BASE_BATCH
from ilk.train.setup import Setup

MIXES = ("none", "sdmp", "i-mix")
# The map's with its own batch: a step of Adam is as long whatever the batch.
RATE = MOCO_V3["method_options"]["base_lr"] * BATCH / BASE_BATCH
PACED = 40  # steps by which the pace is measured
SIDE = len(MIXES)
SCORES = 8  # while a cell learns


def units(scale: Scale) -> dict[str, Unit]:
    """Paces first; cells need to know how many images they see."""
    paces = {f"pace/{mix}": functools.partial(paced, mix) for mix in MIXES}
    return paces | {f"cell/{mix}": functools.partial(cell, mix) for mix in MIXES}


def settings(mix: str, place: Place, items: int) -> dict[str, Any]:
    """Settings of a run that sees a given number of images."""
    scale, seen = place.scale, place.seen or 10**6
    options = MOCO_V3["method_options"] | scale.method_options.get("moco-v3", {})
    options = options | {"warmup_epochs": round(seen / items * WARM, 2)}
    steps = max(seen // scale.batch, 1)
    return shared() | {
        "method": "moco-v3",
        "mix": None if mix == "none" else mix,
        "method_options": options,
        "backbone_options": scale.cells,
        "batch_size": scale.batch,
        "steps": steps,
        "lr": RATE,
        # An epoch takes seconds, of which a checkpoint and a score would be a large part.
        "checkpoint_every": max(steps // 3, 1),
        "knn_every": seen / items / SCORES,
        "device": place.device,
        "workers": 2 if place.tiny else 5,
    }


def paced(mix: str, place: Place) -> dict[str, Any]:
    """Images a second while the other methods run beside."""
    images, _ = place.opened()
    setup = Setup(Settings(**settings(mix, place, len(images)), seed=place.seed), images)
    return stream(setup, place, 2 if place.tiny else PACED)


def cell(mix: str, place: Place) -> dict[str, Any]:
    """One run and its scores, as a cell of any grid."""
    images, test = place.opened()
    one = Cell(name=mix, settings=settings(mix, place, len(images)))
    grid = Grid(
        name="gpu", shared={}, train=images, test=test, cells=(one,), first_seed=place.seed,
        command="python -m benchmarks.gpu",
    )  # fmt: skip
    study = replace(grid.study(1), directory=folder(place.runs))
    return grid._finished(study, study.cells[0], place.seed, Console(quiet=True))


def folder(runs: Path) -> Path:
    """Where the runs of the cells are kept."""
    return runs / "cells"
