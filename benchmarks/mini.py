"""The learning check: does mixing help MoCo v3 and DINO on a small set of real images?

    make mini                                            every cell, one seed
    .venv/bin/python -m benchmarks.mini --seeds 3        more seeds, finished cells are kept
    .venv/bin/python -m benchmarks.mini --cell dino      one cell
    .venv/bin/python -m benchmarks.mini --epochs 120     another length, kept beside

10,000 images of CIFAR-10's training set without labels; the probes are trained on the same
images with labels and scored on the whole test set. All cells share backbone, epochs and batch.
Settings were chosen for each plain method in short runs (15 to 20 epochs for MoCo v3, 6 for
DINO) on other images of the training set, and its
mixed cells use the same.

The backbone is `resnet_mini`: 6.4 million multiply-adds for a view of 32 pixels, the cheapest
residual network that ends on several pixels; timm's smallest ones need 37 million.
"""

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np

from benchmarks.grid import Cell, Grid, opened
from ilk.core import seeding
from ilk.data import Source, Subset

DATA = Path(__file__).parents[2] / "shared" / "data" / "cifar10-20k.parquet"
IMAGES = 10_000
EPOCHS = 60
SHARED = {
    "backbone": "resnet_mini",
    "image_size": 32,
    "epochs": EPOCHS,
    "batch_size": 128,
    "knn_every": 10,
    "defaults": "paper",
}
MOCO_V3 = {
    "method": "moco-v3",
    "method_options": {
        "hidden": 1024,
        "dim": 128,
        "projector_layers": 2,
        "momentum": 0.95,
        "min_scale": 0.2,
        "base_lr": 8e-3,
        "weight_decay": 0.01,
        "warmup_epochs": 5,
    },
}
DINO = {
    "method": "dino",
    "method_options": {
        "hidden": 512,
        "dim": 128,
        "batch_norm": True,
        "prototypes": 1024,
        "local_views": 2,
        "min_local_scale": 0.2,  # 5 % of 32 pixels is a patch of 7
        "momentum": 0.99,
        "teacher_temperature": 0.04,
        "drop_path": 0.0,
        "base_lr": 8e-3,
        "warmup_epochs": 5,
        "norm_last_layer": True,
    },
}
CELLS = (
    Cell(name="pixels"),
    Cell(name="untrained"),
    Cell(name="moco-v3", settings=MOCO_V3),
    Cell(name="moco-v3-sdmp", settings=MOCO_V3 | {"mix": "sdmp"}),
    Cell(name="dino", settings=DINO),
    Cell(name="dino-sdmp", settings=DINO | {"mix": "sdmp"}),
    Cell(name="moco-v3-i-mix", settings=MOCO_V3 | {"mix": "i-mix"}),
)


def grid(path: Path, epochs: float = EPOCHS) -> Grid:
    """The grid on a copy of the data; of another length it has a name of its own."""
    images, order = shuffled(path)
    train, test = Subset(images, np.sort(order[:IMAGES])), opened(path, "test")
    whole = Grid(name="mini", shared=SHARED, train=train, test=test, cells=CELLS)
    return whole if epochs == EPOCHS else lasting(whole, epochs)


def shuffled(path: Path) -> tuple[Source, np.ndarray]:
    """All training images, and the order in which benchmarks take parts of them."""
    images = opened(path, "train")
    return images, seeding.permutation(0, 0, len(images))


def lasting(grid: Grid, epochs: float) -> Grid:
    """The same of another length, kept beside."""
    return replace(
        grid,
        name=f"{grid.name}-{epochs:g}-epochs",
        shared={**grid.shared, "epochs": epochs},
        command=f"python -m benchmarks.{grid.name} --epochs {epochs:g}",
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", type=Path, default=DATA, help="cifar10-20k.parquet")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--epochs", type=float, default=EPOCHS)
    parser.add_argument("--cell", choices=[cell.name for cell in CELLS])
    chosen = parser.parse_args()
    grid(chosen.data, chosen.epochs).run(chosen.seeds, chosen.cell)
