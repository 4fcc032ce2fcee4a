"""NumPy arrays as a source. Axes: N items."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Shaped

from ilk.core.errors import UserError
from ilk.data.classes import counted, numbered
from ilk.data.source import digest, spread

_HASHED = 2**26  # bytes; of a larger array evenly spread items are hashed
_IMAGES = (
    "images",
    "{}_images",
    "image",
    "x",
    "x_{}",
    "{}_x",
    "data",
    "{}_data",
    "{}",
    "arr_0",
)
_LABELS = (
    "labels",
    "{}_labels",
    "label",
    "y",
    "y_{}",
    "{}_y",
    "targets",
    "{}_targets",
    "arr_1",
)
_FEW = 4  # channels, at most, where it is a question which axis they are


class Arrays:
    """Items along the first axis of an array: images [H, W] or [H, W, C], or anything else.

    What types become which pixels says ``decode``. Keys are the indices. The fingerprint covers
    all values of an array below 64 MiB, else of 1024 items, evenly spread.

    Args:
        images: may be a memory map.
        labels: numbers, negative where not known, or names.
        name: what the person called it.
        classes: names of the numbers from 0 on.
    """

    def __init__(
        self,
        images: Shaped[np.ndarray, "N ..."],
        labels: Shaped[np.ndarray, " L"] | None = None,
        *,
        name: str = "array",
        classes: Sequence[str] = (),
    ) -> None:
        self.name = name
        _check(images, labels, name)
        self._images = images
        numbers = np.full(len(images), -1) if labels is None else labels
        self.classes, self._labels = _numbers(numbers, classes, name)

    def __len__(self) -> int:
        """N, the length of the first axis."""
        return len(self._images)

    def item(self, index: int) -> np.ndarray:
        """One of them, a view."""
        return np.asarray(self._images[index])

    def label(self, index: int) -> int:
        """As given."""
        return int(self._labels[index])

    def key(self, index: int) -> str:
        """The index."""
        return str(index)

    @property
    def fingerprint(self) -> str:
        """Of type, shape and values."""
        images = self._images
        most = len(images) if images.nbytes <= _HASHED else 1024
        head = f"{images.dtype.name} {images.shape}".encode()
        rows = (np.ascontiguousarray(images[i]) for i in spread(len(images), most))
        little = (row.astype(row.dtype.newbyteorder("<"), copy=False) for row in rows)
        return digest([head, self._labels.astype("<i4"), *(row.tobytes() for row in little)])


def open_array(path: Path, name: str, split: str = "") -> Arrays:
    """The array of an .npy file, which is not read into memory, or of an .npz file.

    An .npz may hold the images as ``images``, ``x`` or ``data`` and the labels as ``labels``,
    ``y`` or ``targets``; with a split as ``train_images`` or ``x_train``, and so on.
    """
    try:
        stored: Any = np.load(path, mmap_mode="r", allow_pickle=False)
        if isinstance(stored, np.ndarray):
            if split:
                raise UserError(f"{name}: an .npy file has no splits, leave out :{split}")
            return Arrays(stored, name=name)
        with stored:
            images = _named(stored, _IMAGES, split)
            if images is None:
                raise UserError(
                    f"{name}: must name its images like {', '.join(_IMAGES[:4])} (with a split "
                    f"for the braces), holds {', '.join(stored.files)}"
                )
            return Arrays(images, _named(stored, _LABELS, split), name=name)
    except (OSError, ValueError, EOFError) as error:
        raise UserError(f"{name}: must be numbers written by NumPy, got: {error}") from error


def _named(
    stored: Mapping[str, np.ndarray], names: Sequence[str], split: str
) -> np.ndarray | None:
    """The first array whose name fits: with a split in it if there is one, else without."""
    for name in names:
        full = name.format(split)
        if ("{}" in name) == bool(split) and full in stored:
            return stored[full]
    return None


def _check(images: np.ndarray, labels: np.ndarray | None, name: str) -> None:
    if images.ndim < 2 or not images.size:
        raise UserError(f"{name}: must be items along a first axis, got shape {images.shape}")
    if images.dtype.kind not in "uifb":
        raise UserError(f"{name}: must be numbers, got {images.dtype}")
    if labels is not None and labels.shape != (len(images),):
        raise UserError(
            f"{name}: needs one label for each of {len(images)} items, got {labels.shape}"
        )
    shape = images.shape
    if images.ndim == 4 and shape[1] <= _FEW < min(shape[2:]):
        raise UserError(
            f"{name}: images must be [N, H, W, C], got {shape}, which looks like [N, C, H, W]; "
            "give numpy.moveaxis(images, 1, -1)"
        )


def _numbers(
    values: np.ndarray, classes: Sequence[str], name: str
) -> tuple[tuple[str, ...], np.ndarray]:
    if values.dtype.kind in "iub":
        return counted(values.astype(np.int64), classes)
    if values.dtype.kind in "US":
        texts, codes = np.unique(values.astype(str), return_inverse=True)
        return numbered(texts.tolist(), codes.astype(np.int64))
    raise UserError(f"{name}: labels must be whole numbers or names, got {values.dtype}")
