"""What do unlabelled images add to a few labels? Every semi-supervised method, by ``semi@1``.

    make semi                                                 one split, resumable
    make semi SEMI="--splits 3"                               what a figure needs
    .venv/bin/python -m benchmarks.semi --per-class 25        one number of labels
    .venv/bin/python -m benchmarks.semi --cell fixmatch-25-encoder
    .venv/bin/python -m benchmarks.semi --mismatch 0,25,50,75,100     images of other classes
    .venv/bin/python -m benchmarks.semi --on validation       to choose settings, kept beside
    .venv/bin/python -m benchmarks.semi --why         one change each, on validation
    .venv/bin/python -m benchmarks.semi --publish             hashes of the splits

The images are the 10,000 of the learning check, 4, 25 or 400 a class of them with a label, and
the test images all of CIFAR-10's. Each method begins from scratch and from the MoCo v3 encoder
of the learning check, which is trained first where it is not there. Beside them, always: labels
alone, a linear probe of that encoder on the same labels, and all labels.

Every cell has 1,200 steps of 128 images, those of methods in stages together, some four minutes
of one core, so that a split takes about three hours of two. That is a thousandth of what the
papers train: the averages, ramps and cycles that they give in steps or epochs are shortened
with it, and rates are the authors' own for their batches, from the encoder too: at a tenth of
them, the first choice, three methods had 7 to 15 points less on validation images (``--why``;
the cells of that rate are kept in ``results/semi-tenth``). Nothing else was chosen, and nothing
on the test images.

With ``--mismatch`` six animals have labels, 25 each, and the unlabelled images are of four
classes, of which a share shows none of these animals (Oliver et al., 2018, section 4.4).
"""

import argparse
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from benchmarks import mini
from benchmarks.grid import Cell, Grid, absent, watching
from benchmarks.mini import DATA
from benchmarks.semi_data import PUBLISHED, Data, animals, opened, published
from benchmarks.semi_reasons import REASONS
from ilk.core import Busy, UserError
from ilk.data import Subset
from ilk.study import SEMI

NAME, CHOICE = "semi", "semi-choice"
STEPS, BATCH = 1_200, 128
SCRATCH, ENCODER = STARTS = ("scratch", "encoder")
SHARED = {
    "backbone": "resnet_mini",
    "image_size": 32,
    "steps": STEPS,
    "batch_size": BATCH,
    "knn_every": 0,
    "defaults": "paper",
    "guard": "off",  # nothing is chosen among networks of a run
}
AVERAGE = {"momentum": 0.99}  # 0.999 would average nearly all of so short a run
RAMP = {"ramp_epochs": 4.0, "rise_epochs": 4.0}  # of 15; 80 of 300 for the authors
METHODS: Mapping[str, Mapping[str, Any]] = {
    "supervised": {"lr": 0.03, "method_options": AVERAGE},
    "pseudo-label": {"lr": 3e-4},
    "pi-model": {"lr": 0.003, "method_options": RAMP},
    "temporal-ensembling": {"lr": 0.003, "method_options": RAMP},
    "mean-teacher": {"lr": 0.1, "method_options": {"ramp_epochs": 1.0}},
    "fast-swa": {"lr": 0.1, "method_options": {"ramp_epochs": 1.0, "average_from": 8.0}},
    "vat": {"lr": 0.001},
    "vat-entmin": {"lr": 0.001},
    # A quarter of the authors' ramp.
    "mixmatch": {"lr": 0.002, "method_options": AVERAGE | {"ramp_steps": 4_000}},
    "uda": {"lr": 0.03, "method_options": AVERAGE},
    "fixmatch": {"lr": 0.03, "method_options": AVERAGE},
    "flexmatch": {"lr": 0.03, "method_options": AVERAGE},
    # Those of several stages share the steps out; authors lower magnitudes for small networks.
    "noisy-student": {
        "lr": 0.03,
        "steps": STEPS // 3,
        "method_options": AVERAGE | {"rounds": 2, "min_scale": 0.2, "magnitude": 9},
        "optimiser_options": {"warmup_epochs": 0.0},
    },
    # Four rotations of an image, and as many crops, are as many rows as FixMatch has.
    "s4l-rotation": {"lr": 0.03, "batch_size": 64},
    "s4l-exemplar": {"lr": 0.1, "batch_size": 64, "method_options": {"view_count": 4}},
    "s4l-moam": {
        "lr": 0.03,
        "batch_size": 32,
        "steps": STEPS // 3,
        "method_options": AVERAGE | {"weight_decay": 1e-3},  # that of S4L's rotations
    },
}
ALONE, PROBE, ALL = "supervised", "probe", "all-labels"
MOST_LABELLED = 64  # images in a step of labels alone
MISMATCHED = 25  # labels a class, where classes do not match
SHARES = (0, 25, 50, 75, 100)


def settings(method: str, start: str, encoder: Path, labelled: int) -> dict[str, Any]:
    """Settings of a cell.

    Args:
        method: a name of `METHODS`.
        start: ``scratch`` or ``encoder``.
        encoder: run that ``encoder`` begins with.
        labelled: number of labelled images, of which labels alone has none twice in a step.
    """
    own = dict(METHODS[method])
    if method == ALONE:
        own["batch_size"] = min(MOST_LABELLED, labelled)
    if start == ENCODER:
        own["weights"] = str(encoder)
    return {"method": method, **own}


def cell_name(method: str, labelled: str, start: str = "") -> str:
    """A cell: what is learned, from which labels, beginning with what."""
    return "-".join(part for part in (method, labelled, start) if part)


def table(data: Data, per_class: int, encoder: Path) -> list[Cell]:
    """Every method, and what must stand beside it, with so many labels a class."""
    learned, count = data.learned(), len(data.split.labelled)
    cells = [
        Cell(
            name=cell_name(method, str(per_class), start),
            settings=settings(method, start, encoder, count),
            images=learned,
        )
        for start in STARTS
        for method in METHODS
    ]
    return [Cell(name=cell_name(PROBE, str(per_class)), encoder=str(encoder)), *cells]


def reasons(data: Data, encoder: Path) -> list[Cell]:
    """One change each of what did worse than labels alone."""
    learned, count = data.learned(), len(data.split.labelled)
    return [
        Cell(
            name=cell_name("why", one.name),
            settings=settings(one.method, one.start, encoder, count) | dict(one.changes),
            images=learned,
        )
        for one in REASONS
    ]


def all_labels(data: Data, encoder: Path) -> list[Cell]:
    """Every image with its label, those of validation apart."""
    kept = np.setdiff1d(np.arange(len(data.images)), data.split.validation)
    return [
        Cell(
            name=cell_name(ALL, "", start),
            settings=settings(ALONE, start, encoder, len(kept)) | {"batch_size": BATCH},
            images=Subset(data.images, kept),
        )
        for start in STARTS
    ]


def mismatches(data: Data, shares: Sequence[int], encoder: Path) -> list[Cell]:
    """Every method with unlabelled images of other classes; labels alone sees none of them."""
    count = len(data.labelled)
    unlabelled = {f"mismatch-{s}": data.learned(data.mismatched(s)) for s in shares}
    alone = {"mismatch": data.learned(data.mismatched(SHARES[0]))}
    cells = [Cell(name=cell_name(PROBE, "mismatch"), encoder=str(encoder))]
    for start in STARTS:
        for method in METHODS:
            own = settings(method, start, encoder, count)
            cells += [
                Cell(name=cell_name(method, title, start), settings=own, images=learned)
                for title, learned in (alone if method == ALONE else unlabelled).items()
            ]
    return cells


def grids(words: str, number: int, data: Data, cells: Sequence[Cell]) -> Iterator[Grid]:
    """Runs that are scored as they end, and the probe, which is scored by another protocol.

    Args:
        words: options of the command line that these cells need.
        number: number of the split, which is the seed too.
        data: images and their split.
        cells: what is run and scored.
    """
    notes = {"protocol": SEMI.name, "protocol_hash": SEMI.hash, "split": data.split.hash}
    for protocol, probed in ((SEMI.scored_by, False), ("linear@1", True)):
        mine = tuple(cell for cell in cells if bool(cell.encoder) is probed)
        yield Grid(
            name=CHOICE if "validation" in words else NAME, shared=SHARED,
            train=data.labelled, test=data.asked, cells=mine,
            command=f"python -m benchmarks.semi {words}".strip(),
            first_seed=number, protocols=(protocol,), notes=notes,
        )  # fmt: skip


def run(asked: argparse.Namespace) -> None:
    """Finish every cell that is asked for, split by split.

    While another process trains the encoder, cells that need it are left out.

    Raises:
        UserError: nothing is asked for by these names; or at the end, where cells failed.
    """
    failed = list[str]()
    console, checked = Console(), mini.grid(asked.data).study(1)
    source = next(one for one in checked.cells if one.name == "moco-v3")
    encoder, here = checked.place(source, 0), Path.cwd()
    if encoder.is_relative_to(here):  # records are to name no folder of a machine
        encoder = encoder.relative_to(here)
    for grid in _grids(asked, encoder):
        cells = grid.cells
        try:
            if not all(map(_from_scratch, cells)):
                checked.learn(source, 0, watching(console))
        except Busy as busy:
            console.print(str(busy), markup=False)
            cells = tuple(filter(_from_scratch, cells))
        try:
            replace(grid, cells=cells).run(1)
        except UserError as error:
            failed.append(str(error))
    if failed:
        raise UserError("\n".join(failed))


def _grids(asked: argparse.Namespace, encoder: Path) -> list[Grid]:
    """Those of all splits with the cells that are asked for, of which there must be some."""
    every = [grid for number in range(asked.splits) for grid in wanted(asked, number, encoder)]
    chosen = [
        replace(grid, cells=tuple(c for c in grid.cells if asked.cell in (None, c.name)))
        for grid in every
    ]
    if not any(grid.cells for grid in chosen):
        raise UserError(
            "semi: must name a cell and one split at least, got "
            f"{asked.cell} and {asked.splits} splits"
        )
    return chosen


def _from_scratch(cell: Cell) -> bool:
    return not cell.encoder and "weights" not in cell.settings


def main() -> None:
    """Run what the command line asks for; what finishes is kept."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", type=Path, default=DATA, help="cifar10-20k.parquet")
    parser.add_argument("--splits", type=int, default=1, help="3 for a figure")
    parser.add_argument("--per-class", type=int, choices=SEMI.per_class, help="one number")
    parser.add_argument("--cell", help="one cell by its name")
    parser.add_argument("--mismatch", help="shares of other classes, such as 0,25,50,75,100")
    parser.add_argument(
        "--why", action="store_true", help="why some do worse than labels alone"
    )
    parser.add_argument("--on", choices=["test", "validation"], default="test")
    parser.add_argument("--publish", action="store_true", help="write hashes of the splits")
    asked = parser.parse_args()
    try:
        if not asked.data.exists():
            raise absent(asked.data)
        if asked.publish:
            PUBLISHED.write_text(json.dumps(published(asked.data), indent=1) + "\n")
        else:
            run(asked)
    except UserError as error:
        sys.exit(str(error))


def wanted(asked: argparse.Namespace, number: int, encoder: Path) -> Iterator[Grid]:
    """The grids of one split that a command line asks for."""
    words = "" if asked.on == "test" else f"--on {asked.on}"
    if asked.mismatch is not None:
        data = animals(opened(asked.data, MISMATCHED, number, asked.on))
        cells = mismatches(data, _shares(asked.mismatch), encoder)
        yield from grids(f"--mismatch {asked.mismatch} {words}", number, data, cells)
        return
    if asked.why:  # no test image is looked at
        data = opened(asked.data, SEMI.per_class[-1], number, "validation")
        yield from grids("--why --on validation", number, data, reasons(data, encoder))
        return
    for per_class in SEMI.per_class:
        if asked.per_class in (None, per_class):
            data = opened(asked.data, per_class, number, asked.on)
            yield from grids(words, number, data, table(data, per_class, encoder))
    if asked.per_class is None:
        data = opened(asked.data, SEMI.per_class[-1], number, asked.on)
        yield from grids(words, number, data, all_labels(data, encoder))


def _shares(text: str) -> list[int]:
    found = [int(part) for part in text.split(",") if part.strip().isdecimal()]
    if not found or len(found) != text.count(",") + 1 or not set(found) <= set(SHARES):
        raise UserError(
            f"semi: mismatch must be some of {','.join(map(str, SHARES))}, got {text}"
        )
    return found


if __name__ == "__main__":
    main()
