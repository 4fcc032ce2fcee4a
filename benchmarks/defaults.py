"""Does every method learn by its name alone? ``ilk train --method NAME``, and nothing else.

    .venv/bin/python -m benchmarks.defaults                    all methods, one seed, resumable
    .venv/bin/python -m benchmarks.defaults --cell mae         one method
    .venv/bin/python -m benchmarks.defaults --cell mae-half    at half of convolutions' rate

The other benchmarks name options; people name none. Here network, rate, heads and all else are
what `ilk` chooses for a processor, and a method that does not beat the untrained network shows
that the choices are wrong for it. Methods learn from 8,000 images of CIFAR-10's training part
that no other benchmark reports on, and are asked for 2,000 more of these, for 600 steps; the
test part is never opened. ``results/defaults-before`` keeps what transformers had while they
were given the rate of convolutions. Methods of a teacher that a person has to name are left
out, and those of few labels are in `benchmarks.semi --why`.
"""

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from benchmarks.family import AVERAGED, BACKBONES, MEAN, METHOD_OPTIONS, VIT
from benchmarks.grid import Cell, Grid
from benchmarks.mini import DATA, IMAGES, shuffled
from ilk.data import Subset

NAME = "defaults"
STEPS, LEARNED, ASKED = 600, 8_000, 2_000
BATCH, RATE = 128, 8e-3  # those that are chosen for convolutions; the rate is for 256 images
TAUGHT = ("rekd", "distill")
# Shares of that rate, beside the one that is chosen.
RATES = {"-whole": 1.0, "-half": 1 / 2, "-quarter": 1 / 4, "-eighth": 1 / 8}
NETWORKS = ("resnet_mini", "vit_mini")


def cells() -> Iterator[Cell]:
    """What has to be beaten, and each method at the chosen rate and at others.

    Methods whose network is chosen to be convolutional are there with a transformer too
    (``-vit``), and those that ask nothing of a class token with the mean of all patches
    (``-mean``).
    """
    for network in NETWORKS:
        yield Cell(name=f"untrained-{network}", encoder=f"random:{network}")
    for words, share in {"": None, **RATES}.items():
        rate = {} if share is None else {"lr": share * RATE * BATCH / 256}
        for name in METHOD_OPTIONS:
            if name in TAUGHT:
                continue
            settings = {"method": name, **rate}
            yield Cell(name=name + words, settings=settings)
            if "backbone" not in BACKBONES.get(name, {}):
                yield Cell(name=f"{name}-vit{words}", settings=settings | VIT)
            if name in AVERAGED or BACKBONES.get(name) == MEAN:
                yield Cell(name=f"{name}-mean{words}", settings=settings | MEAN)


def defaults(path: Path) -> Grid:
    """The grid on a copy of the data."""
    images, order = shuffled(path)
    learned, asked = np.split(order[IMAGES : IMAGES + LEARNED + ASKED], [LEARNED])
    return Grid(
        name=NAME,
        shared={"steps": STEPS, "knn_every": 0},
        train=Subset(images, np.sort(learned)),
        test=Subset(images, np.sort(asked)),
        cells=tuple(cells()),
        first_seed=1,
        protocols=("knn@1",),
        command="python -m benchmarks.defaults",
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", type=Path, default=DATA, help="cifar10-20k.parquet")
    parser.add_argument("--cell", choices=[cell.name for cell in cells()])
    chosen = parser.parse_args()
    defaults(chosen.data).run(1, only=chosen.cell)
