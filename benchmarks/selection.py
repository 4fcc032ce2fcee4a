"""Which images should be labelled? Accuracy with few labels, by how they were chosen.

    .venv/bin/python -m benchmarks.selection              both pools, three seeds
    .venv/bin/python -m benchmarks.selection --pool balanced

The pool is 3,000 training images of CIFAR-10, 300 of each class (balanced) or from 795 to 60
(long-tailed, each class 0.75 times the one before). The test set is 2,000 others, balanced.
Vectors are those of EfficientNet-Lite0 with ImageNet weights at 64 px, which has seen neither.
From the pool 20 or 100 images are chosen by each way of `ilk select` without a look at labels;
then these alone are labelled, and the test images are classified by 5-NN and by logistic
regression. A seed draws the pool and everything that a way draws.
"""

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression

from benchmarks.continued import lite0
from benchmarks.grid import RESULTS, absent, facts, write
from benchmarks.mini import DATA
from ilk.curate.selection import WAYS, select
from ilk.data import Subset, open_source
from ilk.embedding import cached, knn_accuracy
from ilk.search import unit

SIZE, POOL, TEST = 64, 3000, 2000
READ = {"train": 9000, "test": 2500}  # the first images of each part
CHOSEN = (20, 100)
SEEDS = 3
NEIGHBOURS = 5
TAIL = 0.75  # of the class before
POOLS = ("balanced", "long-tailed")


def pool_sizes(kind: str, classes: int) -> np.ndarray:
    """Images of each class."""
    ratio = np.power(TAIL if kind == "long-tailed" else 1.0, np.arange(classes))
    return np.round(POOL * ratio / ratio.sum()).astype(int)


def drawn(labels: np.ndarray, sizes: np.ndarray, chance: np.random.Generator) -> np.ndarray:
    """So many positions of each class, at random."""
    parts = [
        chance.permutation(np.flatnonzero(labels == label))[:size]
        for label, size in enumerate(sizes)
    ]
    return np.concatenate(parts)


def scores(train: tuple[Any, Any], test: tuple[Any, Any], classes: int) -> dict[str, float]:
    """Accuracies with these labels alone."""
    tensors = [torch.from_numpy(part) for part in (*train, *test)]
    knn = knn_accuracy(*tensors, k=NEIGHBOURS, classes=classes)
    # Unit vectors are short: weights may be large.
    linear = LogisticRegression(C=100.0, max_iter=500).fit(*train)
    return {"knn": round(knn, 4), "linear": round(float(linear.score(*test)), 4)}


def measured(kind: str, data: Path) -> list[dict[str, Any]]:
    """A row for each seed, way and number of images."""
    parts = [
        cached(lite0(SIZE), Subset(open_source(f"{data}:{split}"), np.arange(most)))
        for split, most in READ.items()
    ]
    (train, known), (test, asked) = ((unit(part.vectors), part.labels) for part in parts)
    classes = len(parts[0].classes)
    rows: list[dict[str, Any]] = []
    for seed in range(SEEDS):
        chance = np.random.default_rng(seed)
        pool = drawn(known, pool_sizes(kind, classes), chance)
        held = drawn(asked, np.full(classes, TEST // classes), chance)
        for way in WAYS:
            for n in CHOSEN:
                found = pool[select(train[pool], n, way, seed=seed)]
                counts = np.bincount(known[found], minlength=classes)
                rows.append({
                    "seed": seed, "by": way, "n": n, "classes_found": int((counts > 0).sum()),
                    **scores((train[found], known[found]), (test[held], asked[held]), classes),
                })  # fmt: skip
                print(rows[-1], flush=True)
    return rows


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", type=Path, default=DATA, help="cifar10-20k.parquet")
    parser.add_argument("--pool", choices=POOLS)
    chosen = parser.parse_args()
    if not chosen.data.exists():
        raise absent(chosen.data)
    for kind in [chosen.pool] if chosen.pool else POOLS:
        command = f"python -m benchmarks.selection --pool {kind}"
        content = {
            "pool": kind, "images": pool_sizes(kind, 10).tolist(), "encoder": "lite0 at 64 px",
            "neighbours": NEIGHBOURS, "rows": measured(kind, chosen.data),
        }  # fmt: skip
        write(RESULTS / "selection" / f"{kind}.json", facts(command) | content)
