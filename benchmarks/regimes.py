"""When does mixing pay? MoCo v3 with and without SDMP, one step along each axis of a map.

    make regimes                                              the map, two seeds, resumable
    .venv/bin/python -m benchmarks.regimes --seeds 4          more seeds
    .venv/bin/python -m benchmarks.regimes --at wide          one axis
    .venv/bin/python -m benchmarks.regimes --cell moco-v3-10000-images-sdmp
    .venv/bin/python -m benchmarks.regimes ablate --at wide   what of SDMP matters there
    .venv/bin/python -m benchmarks.regimes choose             how settings were chosen

Every cell sees 600,000 images of CIFAR-10, about 15 minutes of one core with the small network,
and is scored with all 20,000 labelled images. The centre is MoCo v3 on 2,000 images for 300
epochs with `resnet_mini` and all augmentation; from there one step is taken along each axis:
a larger network, a small transformer, more images, weaker augmentation, twice the length, DINO.

Settings are chosen by `choose`, with the same budget for the plain and the mixed method: four
learning rates and two temperatures of MoCo v3, and for DINO three weightings of mixed crops
with two, six and eight small crops. It learns from 2,000 other images, is scored on other
images of the training set, and has other seeds. The map reads its settings from there
(`benchmarks.chosen`): they are those of the centre, whatever the axis.

`ablate` runs four seeds of the plain method and of SDMP at one axis, i-Mix, the version with an
extra view, and SDMP with one thing changed, all with the rate and temperature of SDMP.
"""

import argparse
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.chosen import CHOICE, best, tried
from benchmarks.grid import RESULTS, Cell, Grid, opened
from benchmarks.mini import DATA, DINO, MOCO_V3, SHARED, shuffled
from ilk.core import UserError
from ilk.data import Source, Subset

SEEN = 600_000  # images, in a cell of the map
CHOSEN_SEEN = 200_000  # images, in a cell that settings are chosen by
CROPS_SEEN = 100_000  # images, in a cell that a weighting of crops is chosen by
IMAGES = 2_000
BATCH = 128
SEEDS = 2
DECIDING_SEEDS = 4  # of the pair whose ablations are run
# 10 million multiply-adds at 32 px: 64 patches of 4 pixels, 64 wide, three blocks.
VIT = {
    "backbone": "vit_tiny_patch16_224",
    "backbone_options": {"patch_size": 4, "embed_dim": 64, "depth": 3, "num_heads": 4},
}
WIDE = {"backbone_options": {"widths": [96, 192, 384]}}  # four times the cost

# Each axis: further settings, images to learn from, and how many images are seen.
AXES: Mapping[str, tuple[Mapping[str, Any], int, int]] = {
    "centre": ({}, IMAGES, SEEN),
    "10000-images": ({}, 10_000, SEEN),
    "crops-alone": ({"augment": "crops"}, IMAGES, SEEN),
    "no-hue": ({"augment": "no-hue"}, IMAGES, SEEN),
    "wide": (WIDE, IMAGES, SEEN),
    "vit": (VIT, IMAGES, SEEN),
    "twice-as-long": ({}, IMAGES, 2 * SEEN),
}
DINO_AXIS = "dino"  # at the centre
MIXES = ("none", "sdmp")
HALVES = (0.0, 0.25, 0.5, 0.75, 1.0)
# What is changed of SDMP. Single terms have the weight that both have together.
ABLATIONS: Mapping[str, Mapping[str, Any]] = {
    "extra-view": {"version": "extra"},
    "static": {"static_source": True, "static_mix": True},
    "one-share": {"per_sample": False},
    **{f"{name}-alone": {"strategies": (name,)} for name in ("mixup", "cutmix", "resizemix")},
    "source-alone": {"source_weight": 2.0, "mix_weight": 0.0},
    "mix-alone": {"source_weight": 0.0, "mix_weight": 2.0},
    **{
        f"mixed-half-{half:g}": {
            "clean_weight": 2 * (1 - half),
            "source_weight": 2 * half,
            "mix_weight": 2 * half,
        }
        for half in HALVES
        if half != 0.5  # this is SDMP itself
    },
}

WARM = 1 / 12  # share of a run in which the learning rate rises, as in the learning check


def lasting(options: Mapping[str, Any], count: int, seen: int) -> dict[str, Any]:
    """Settings of a run that sees so many images of a set of this size."""
    warm = {"warmup_epochs": round(seen / count * WARM, 2)}
    return {"method_options": {**options, **warm}, "steps": seen // BATCH}


def shared() -> dict[str, Any]:
    """What all runs have in common; lengths are counted in steps."""
    kept = {name: value for name, value in SHARED.items() if name != "epochs"}
    return kept | {"batch_size": BATCH, "knn_every": 20}


def cell_name(axis: str, mix: str) -> str:
    """The cell of the map at one axis."""
    return f"dino-centre-{mix}" if axis == DINO_AXIS else f"moco-v3-{axis}-{mix}"


def regimes(
    path: Path, axes: Sequence[str] = tuple(AXES), results: Path = RESULTS, only: str = ""
) -> Grid:
    """The map on a copy of the data, or a part of it.

    Args:
        path: file of the data.
        axes: names of `AXES`, or `DINO_AXIS`.
        results: where the settings that were chosen are read from.
        only: name of the one cell that is wanted; empty is all of them.

    Raises:
        UserError: settings were not chosen yet, or the data is not there.
    """
    images, order = shuffled(path)
    pairs = [(axis, mix) for axis in axes for mix in MIXES]
    baselines = (Cell(name="pixels"), Cell(name="untrained")) if "centre" in axes else ()
    made = tuple(
        Cell(name=cell_name(axis, mix), settings=settings, images=_first(axis, images, order))
        for axis, mix in pairs
        if only in {"", cell_name(axis, mix)} or (axis == "centre" and only == "untrained")
        for settings in [at(axis, mix, results)]
    )
    return _reported("regimes", path, (*made, *baselines), "make regimes")


def ablations(path: Path, axis: str, results: Path = RESULTS) -> Grid:
    """SDMP with one thing changed, and i-Mix, at one axis of the map; i-Mix comes first.

    Args:
        path: file of the data.
        axis: a name of `AXES`, of which all have MoCo v3.
        results: where the settings that were chosen are read from.

    Raises:
        UserError: settings were not chosen yet, or the data is not there.
    """
    images, order = shuffled(path)
    mixed, learned = at(axis, "sdmp", results), _first(axis, images, order)
    changed = {"i-mix": {"mix": "i-mix", "mix_options": {}}} | {
        name: {"mix_options": {**mixed["mix_options"], **options}}
        for name, options in ABLATIONS.items()
    }
    cells = (
        Cell(name=cell_name(axis, name), settings=mixed | one, images=learned)
        for name, one in changed.items()
    )
    command = f"python -m benchmarks.regimes ablate --at {axis}"
    return _reported("regimes-ablations", path, tuple(cells), command)


def at(axis: str, mix: str, results: Path = RESULTS) -> dict[str, Any]:
    """Settings of a cell of the map: those chosen at the centre, with one step along the axis.

    Args:
        axis: a name of `AXES`, or `DINO_AXIS`.
        mix: ``none`` or ``sdmp``.
        results: where the settings that were chosen are read from.

    Raises:
        UserError: settings were not chosen yet.
    """
    if axis == DINO_AXIS:
        return _settings("dino", best("dino", mix, results), IMAGES, SEEN)
    further, count, seen = AXES[axis]
    return _settings("moco-v3", best("moco-v3", mix, results), count, seen) | further


def choices(path: Path) -> Grid:
    """The runs that settings are chosen by; no image of the map's centre and no test image."""
    images, order = shuffled(path)
    learned = Subset(images, np.sort(order[-IMAGES:]))
    return Grid(
        name=CHOICE,
        shared=shared(),
        train=Subset(images, np.sort(order[10_000:15_000])),
        test=Subset(images, np.sort(order[15_000:18_000])),
        cells=tuple(_tries(learned)),
        command="python -m benchmarks.regimes choose",
        first_seed=100,
    )


def _tries(learned: Source) -> Iterator[Cell]:
    for method, seen in (("moco-v3", CHOSEN_SEEN), ("dino", CROPS_SEEN)):
        for mix in MIXES:
            for name, options in tried(method, mix).items():
                settings = _settings(method, options, IMAGES, seen)
                yield Cell(name=name, settings=settings, images=learned)


def _settings(method: str, options: Mapping[str, Any], count: int, seen: int) -> dict[str, Any]:
    """Settings of the learning check with others chosen."""
    known = {"moco-v3": MOCO_V3, "dino": DINO}[method]["method_options"]
    own = {**known, **options["method_options"]}
    return {"method": method, **options, **lasting(own, count, seen)}


def _first(axis: str, images: Source, order: np.ndarray) -> Source:
    """What is learned from at an axis: the first images of one order."""
    count = IMAGES if axis == DINO_AXIS else AXES[axis][1]
    return Subset(images, np.sort(order[:count]))


def _reported(name: str, path: Path, cells: tuple[Cell, ...], command: str) -> Grid:
    """A grid that is scored with all labelled images, and under corruptions on a fifth."""
    images, test = opened(path, "train"), opened(path, "test")
    return Grid(
        name=name,
        shared=shared(),
        train=images,
        test=test,
        cells=cells,
        command=command,
        corrupted=Subset(test, np.arange(0, len(test), 5)),
    )


def main() -> None:
    """Run what the command line asks for; what finishes is kept."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("what", nargs="?", choices=["map", "choose", "ablate"], default="map")
    parser.add_argument("--data", type=Path, default=DATA, help="cifar10-20k.parquet")
    parser.add_argument("--seeds", type=int, help="2 for the map, 1 to choose")
    parser.add_argument("--cell", help="one cell by its name")
    parser.add_argument("--at", choices=[*AXES, DINO_AXIS], help="one axis")
    asked = parser.parse_args()
    try:
        _run(asked)
    except UserError as error:
        sys.exit(str(error))


def _run(asked: argparse.Namespace) -> None:
    path, only = asked.data, asked.cell
    if asked.what == "choose":
        choices(path).run(asked.seeds or 1, only)
    elif asked.what == "map":
        # DINO comes last: it waits for choices of its own.
        for axes in ([asked.at],) if asked.at else (tuple(AXES), (DINO_AXIS,)):
            regimes(path, axes, only=only or "").run(asked.seeds or SEEDS, only)
    elif asked.at not in AXES:
        raise UserError(f"regimes: ablate needs --at, one of {', '.join(AXES)}")
    else:
        ablations(path, asked.at).run(asked.seeds or SEEDS, only)
        if only is None:
            regimes(path, [asked.at]).run(DECIDING_SEEDS)


if __name__ == "__main__":
    main()
