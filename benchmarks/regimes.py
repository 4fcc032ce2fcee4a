"""When does mixing pay? MoCo v3 with and without SDMP, one step along each axis of a map.

    make regimes                                              the map, two seeds, resumable
    .venv/bin/python -m benchmarks.regimes --seeds 4          more seeds
    .venv/bin/python -m benchmarks.regimes --cell moco-v3-10000-images-sdmp
    .venv/bin/python -m benchmarks.regimes choose             how settings were chosen

Every cell sees 600,000 images of CIFAR-10, about 25 minutes of one core with the small network,
and is scored with all 20,000 labelled images. The centre is MoCo v3 on 2,000 images for 300
epochs with `resnet_mini` and all augmentation; from there one step is taken along each axis:
a larger network, a small transformer, more images, weaker augmentation, twice the length, DINO.

Settings are chosen by `choose`, with the same budget for the plain and the mixed method: four
learning rates and two temperatures of MoCo v3, and for DINO three weightings of mixed crops
with two, six and eight small crops. It learns from 2,000 other images, is scored on other
images of the training set, and has other seeds.
"""

import argparse
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.grid import Cell, Grid, absent
from benchmarks.mini import DATA, DINO, MOCO_V3, SHARED
from ilk.core import seeding
from ilk.data import Source, Subset, open_source

SEEN = 600_000  # images, in a cell of the map
CHOSEN_SEEN = 200_000  # images, in a cell that settings are chosen by
CROPS_SEEN = 100_000  # images, in a cell that a weighting of crops is chosen by
IMAGES = 2_000
BATCH = 128
RATES = (4e-3, 8e-3, 1.6e-2, 3.2e-2)
TEMPERATURES = (0.2, 0.5)
SMALL_CROPS = (2, 6, 8)
WEIGHTINGS = ("paper", "pairs", "crops")
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


WARM = 1 / 12  # share of a run in which the learning rate rises, as in the learning check


def lasting(options: Mapping[str, Any], count: int, seen: int) -> dict[str, Any]:
    """Settings of a run that sees so many images of a set of this size."""
    warm = {"warmup_epochs": round(seen / count * WARM, 2)}
    return {"method_options": {**options, **warm}, "steps": seen // BATCH}


def shared() -> dict[str, Any]:
    """What all runs have in common; lengths are said in steps."""
    kept = {name: value for name, value in SHARED.items() if name != "epochs"}
    return kept | {"batch_size": BATCH, "knn_every": 20}


def regimes(path: Path) -> Grid:
    """The map on a copy of the data."""
    images, order = _opened(path)
    test = open_source(f"{path}:test")
    return Grid(
        name="regimes",
        shared=shared(),
        train=images,
        test=test,
        cells=(
            Cell(name="pixels"),
            Cell(name="untrained"),
            *(cell for axis in AXES for cell in _pair(axis, images, order)),
            *_dino(images, order),
        ),
        corrupted=Subset(test, np.arange(0, len(test), 5)),
    )


def choices(path: Path) -> Grid:
    """The runs that settings are chosen by; no image of the map's centre and no test image."""
    images, order = _opened(path)
    learned = Subset(images, np.sort(order[-IMAGES:]))
    return Grid(
        name="regimes-choice",
        shared=shared(),
        train=Subset(images, np.sort(order[10_000:15_000])),
        test=Subset(images, np.sort(order[15_000:18_000])),
        cells=(*_rates(learned), *_weightings(learned)),
        command="python -m benchmarks.regimes choose",
        first_seed=100,
    )


def _opened(path: Path) -> tuple[Source, np.ndarray]:
    if not path.exists():
        raise absent(path)
    images = open_source(f"{path}:train")
    return images, seeding.permutation(0, 0, len(images))


def _pair(axis: str, images: Source, order: np.ndarray) -> Iterator[Cell]:
    """The plain method and SDMP at one point of the map."""
    further, count, seen = AXES[axis]
    learned = Subset(images, np.sort(order[:count]))
    for mix in ("none", "sdmp"):
        settings = MOCO_V3 | lasting(MOCO_V3["method_options"], count, seen) | further
        if mix != "none":
            settings |= {"mix": mix}
        yield Cell(name=f"moco-v3-{axis}-{mix}", settings=settings, images=learned)


def _dino(images: Source, order: np.ndarray) -> Iterator[Cell]:
    """DINO at the centre, with six small crops: the fewest that helped in the paper."""
    learned = Subset(images, np.sort(order[:IMAGES]))
    options = DINO["method_options"] | {"local_views": 6}
    plain = {"method": "dino", **lasting(options, IMAGES, SEEN)}
    yield Cell(name="dino-centre-none", settings=plain, images=learned)
    yield Cell(name="dino-centre-sdmp", settings=plain | {"mix": "sdmp"}, images=learned)


def _rates(learned: Source) -> Iterator[Cell]:
    for mix in ("none", "sdmp"):
        for rate in RATES:
            for temperature in TEMPERATURES:
                options = MOCO_V3["method_options"]
                options = options | {"base_lr": rate, "temperature": temperature}
                settings = {
                    "method": "moco-v3",
                    "mix": None if mix == "none" else mix,
                    **lasting(options, IMAGES, CHOSEN_SEEN),
                }
                name = f"moco-v3-{mix}-lr-{rate:g}-t-{temperature:g}"
                yield Cell(name=name, settings=settings, images=learned)


def _weightings(learned: Source) -> Iterator[Cell]:
    for crops in SMALL_CROPS:
        options = DINO["method_options"] | {"local_views": crops}
        plain = {"method": "dino", **lasting(options, IMAGES, CROPS_SEEN)}
        yield Cell(name=f"dino-{crops}-crops-none", settings=plain, images=learned)
        for weighting in WEIGHTINGS:
            mixed = {"mix": "sdmp", "mix_options": {"weighting": weighting}}
            name = f"dino-{crops}-crops-{weighting}"
            yield Cell(name=name, settings=plain | mixed, images=learned)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("what", nargs="?", choices=["map", "choose"], default="map")
    parser.add_argument("--data", type=Path, default=DATA, help="cifar10-20k.parquet")
    parser.add_argument("--seeds", type=int, help="2 for the map, 1 to choose")
    parser.add_argument("--cell", help="one cell by its name")
    chosen = parser.parse_args()
    grid = (regimes if chosen.what == "map" else choices)(chosen.data)
    grid.run(chosen.seeds or (2 if chosen.what == "map" else 1), chosen.cell)
