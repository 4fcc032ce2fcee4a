"""The learning check: does mixing help MoCo v3 and DINO on a small set of real images?

    make mini                        every cell, one seed
    python benchmarks/mini.py --seeds 3 --cell moco-v3-sdmp

10,000 images of CIFAR-10's training set without labels; the probes are trained on the same images
with labels and scored on the whole test set. All cells share backbone, epochs, batch and views; the
learning rate was chosen for each plain method on a held-out part of the training images, and its
SDMP and i-Mix cells use the same.
"""

import argparse
from pathlib import Path

from ilk.data import Subset, open_source
from benchmarks.grid import RESULTS, Cell, Grid, absent

DATA = Path(__file__).parents[2] / "shared" / "data" / "cifar10-20k.parquet"
IMAGES = 10_000
