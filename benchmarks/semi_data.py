"""Splits of CIFAR-10 for few labels, and unlabelled images of other classes."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import mini
from benchmarks.mini import IMAGES
from ilk.data import Source, Subset, labels
from ilk.study import SEMI, Split, labelled_alone

PUBLISHED = Path(__file__).parent / "published" / "semi-cifar10.json"
# Oliver et al.: labels of the animals, and the others are what does not belong.
ANIMALS = ("bird", "cat", "deer", "dog", "frog", "horse")
OTHERS = ("airplane", "automobile", "ship", "truck")


@dataclass(frozen=True, kw_only=True)
class Data:
    """What cells learn from and are scored on.

    Args:
        images: all of which labels are known to us.
        split: which of them have labels and which are for validation.
        asked: images that are scored.
        classes: those that have labels; empty is all.
    """

    images: Source
    split: Split
    asked: Source
    classes: tuple[str, ...] = ()

    @property
    def known(self) -> np.ndarray:
        """Indices of the labelled images."""
        return _among(self.images, self.split.labelled, self.classes or self.images.classes)

    @property
    def labelled(self) -> Source:
        """The labelled images."""
        return Subset(self.images, self.known)

    def learned(self, unlabelled: np.ndarray | None = None) -> Source:
        """Labelled and unlabelled images, none of validation.

        Args:
            unlabelled: indices; None is all others.
        """
        rest = np.arange(len(self.images)) if unlabelled is None else unlabelled
        kept = np.setdiff1d(np.union1d(self.known, rest), self.split.validation)
        images = Subset(self.images, kept)
        return labelled_alone(images, np.searchsorted(kept, self.known), self.classes)

    def mismatched(self, share: int) -> np.ndarray:
        """Unlabelled images of four classes, of which a share is not of those with labels.

        Args:
            share: percentage; it does not change how many images there are.
        """
        others = round(share / 100 * len(OTHERS))
        chosen = (*OTHERS[:others], *ANIMALS[: len(OTHERS) - others])
        used = np.union1d(self.split.labelled, self.split.validation)
        free = np.setdiff1d(np.arange(len(self.images)), used)
        names = np.array(self.images.classes)[labels(self.images)[free]]
        least = min(int((names == name).sum()) for name in self.images.classes)
        return np.sort(np.concatenate([free[names == name][:least] for name in chosen]))


def opened(path: Path, per_class: int, number: int, on: str = "test") -> Data:
    """The images of the learning check with one split.

    Args:
        path: file of the data.
        per_class: labelled images a class.
        number: number of the split.
        on: ``test`` or ``validation``.
    """
    whole = mini.grid(path)
    split = SEMI.split(whole.train, per_class, number)
    asked = whole.test if on == "test" else Subset(whole.train, split.validation)
    return Data(images=whole.train, split=split, asked=asked)


def animals(data: Data) -> Data:
    """The same where six animals alone have labels and are scored."""
    seen = _among(data.asked, np.arange(len(data.asked)), ANIMALS)
    asked = Subset(data.asked, seen)
    return Data(images=data.images, split=data.split, asked=asked, classes=ANIMALS)


def published(path: Path) -> dict[str, Any]:
    """Hashes of all splits, as they are published."""
    images = mini.grid(path).train
    return {
        "protocol": SEMI.name,
        "protocol_hash": SEMI.hash,
        "images": f"{IMAGES} of {path.name}: those of the learning check",
        "splits": {
            str(count): [SEMI.split(images, count, one).hash for one in range(SEMI.splits)]
            for count in SEMI.per_class
        },
    }


def _among(source: Source, indices: np.ndarray, classes: Sequence[str]) -> np.ndarray:
    return indices[labels(source, tuple(classes))[indices] >= 0]
