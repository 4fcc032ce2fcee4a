"""NumPy arrays as a source. Axes: N items."""

import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from jaxtyping import Shaped

from ilk.core.errors import UserError
from ilk.core.facts import Fact
from ilk.data.classes import as_values, labels_of, nothing_known
from ilk.data.source import BadItem, check_unpacked, digest, most_unpacked, one_line, spread

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
_WRITTEN = (b"\x93NUMPY", b"PK")  # .npy, and .npz, which is a zip archive
_NUMBERS = "uifb"  # kinds of types
_BANDS = 16  # channels, at most, of one image that may be taken for many


class Arrays:
    """Items along the first axis of an array: images [H, W] or [H, W, C], or anything else.

    What types become which pixels says ``decode``. Keys are the indices. The fingerprint covers
    all values of an array below 64 MiB, else of 1024 items, evenly spread.

    Args:
        images: may be a memory map.
        labels: one for each item: numbers, negative or NaN where not known, or names.
        name: what the person called it.
        classes: names of the numbers from 0 on.
        unlabelled: why there are no labels.
        path: of the file that holds them.
    """

    def __init__(
        self,
        images: Shaped[np.ndarray, "N ..."],
        labels: Any = None,
        *,
        name: str = "array",
        classes: Sequence[str] = (),
        unlabelled: str = "an array comes without; give a pair (images, labels)",
        path: Path | None = None,
    ) -> None:
        self.name = name
        self.roots = {} if path is None else {"": str(path.absolute())}
        _check(images, name)
        self._images = images
        known = nothing_known(len(images), unlabelled)
        if labels is not None:
            known = given_labels(labels, len(images), name, classes)
        self.classes, self._labels = known.names, known.values
        self.unlabelled_because = known.reason

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
        with path.open("rb") as file:
            if not file.read(6).startswith(_WRITTEN):  # NumPy takes all others for pickle
                raise ValueError("another kind of file, which does not begin as its files do")
        if path.suffix.lower() == ".npz":
            with path.open("rb") as file:  # NumPy would leave it open where it fails
                _check_packed(file, name)
                return _of_several(np.load(file, allow_pickle=False), path, name, split)
        if split:
            raise UserError(f"{name}: an .npy file has no splits, leave out :{split}")
        stored = np.load(path, mmap_mode="r", allow_pickle=False)
        why = "an .npy file holds one array; keep images and labels in an .npz file"
        return Arrays(all_images(stored, name), name=name, unlabelled=why, path=path)
    except UserError:
        raise
    except Exception as error:  # a damaged header makes the parser raise whatever it likes
        raise UserError(
            f"{name}: must be numbers written by NumPy, got: {one_line(error)}"
        ) from error


def _check_packed(file: BinaryIO, name: str) -> None:
    """Refuse an .npz file that would unpack to far more than images ever do."""
    with zipfile.ZipFile(file) as packed:
        members = packed.infolist()
    for member in members:
        try:
            check_unpacked(member.file_size, most_unpacked(member.compress_size))
        except BadItem as error:
            raise UserError(
                f"{name}: {member.filename!r:.80} must fit in memory, {error}"
            ) from error
    file.seek(0)


def _of_several(stored: Mapping[str, np.ndarray], path: Path, name: str, split: str) -> Arrays:
    """The images and labels among the arrays of an .npz file."""
    images = _named(stored, _IMAGES, split)
    if images is None:
        raise UserError(
            f"{name}: must name its images like {', '.join(_IMAGES[:4])} (with a split for the "
            f"braces), holds {', '.join(stored)}"
        )
    why = f"it holds no array called {', '.join(_LABELS[:4])} (with a split for the braces)"
    labels = _named(stored, _LABELS, split)
    return Arrays(all_images(images, name), labels, name=name, unlabelled=why, path=path)


def _named(
    stored: Mapping[str, np.ndarray], names: Sequence[str], split: str
) -> np.ndarray | None:
    """The first array whose name fits: with a split in it if there is one, else without."""
    for name in names:
        full = name.format(split)
        if ("{}" in name) == bool(split) and full in stored:
            return stored[full]
    return None


def all_images(array: np.ndarray, name: str, *, channels_first: bool = False) -> np.ndarray:
    """An array as items along the first axis; one image alone becomes the only item.

    Args:
        array: numbers of any shape.
        name: what the person called it.
        channels_first: images are [C, H, W], as torch has them.

    Raises:
        UserError: the shape may mean either, or no image at all.
    """
    shape = array.shape
    if array.ndim == 2 and array.size and array.dtype.kind in _NUMBERS:
        raise UserError(
            f"{name}: must be images, got shape {shape}, which is one grey image or rows of "
            "numbers; give image[None] for one grey image [1, H, W]"
        )
    if channels_first and array.ndim == 4 and shape[1] <= _FEW < min(shape[2:]):
        return np.moveaxis(array, 1, -1)
    if array.ndim != 3 or not array.size:
        return array
    if channels_first and 1 < shape[0] <= _FEW < min(shape[1:]):
        raise UserError(
            f"{name}: must be images, got a tensor of shape {shape}, which is one image "
            f"[C, H, W] or {shape[0]} grey ones; give image[None] or images[..., None]"
        )
    if _is_one(shape):
        return array[None]
    square, few = shape[0] == shape[1], min(shape[:2])
    if shape[2] <= _BANDS and few >= (2 if square else 4) * shape[2]:
        raise UserError(
            f"{name}: must be images, got shape {shape}, which is one image of {shape[2]} "
            f"channels or {shape[0]} grey ones; give image[None] or images[..., None]"
        )
    return array


def _is_one(shape: tuple[int, ...]) -> bool:
    """Whether [H, W, C] are the axes: no image is one, three or four pixels wide and higher."""
    height, width, last = shape
    return last in (1, 3, 4) and min(height, width) >= (2 * last if last == _FEW else last + 1)


def given_labels(values: Any, count: int, name: str, classes: Sequence[str] = ()) -> Fact:
    """The labels that a person gives beside the images.

    Raises:
        UserError: they are not one whole number or name for each image.
    """
    array = as_values(values)
    if array.shape == (count, 1):
        array = array[:, 0]
    if array.shape != (count,):
        raise UserError(
            f"{name}: needs one label for each of {count} items, got {array.shape}; of scores "
            "or one-hot rows give labels.argmax(1)"
        )
    try:
        return labels_of(array, classes)
    except ValueError as error:
        raise UserError(f"{name}: labels {error}") from error


def _check(images: np.ndarray, name: str) -> None:
    if images.ndim < 2 or not images.size:
        raise UserError(f"{name}: must be items along a first axis, got shape {images.shape}")
    if images.dtype.kind not in _NUMBERS:
        raise UserError(f"{name}: must be numbers, got {images.dtype}")
    shape = images.shape
    if images.ndim == 4 and shape[1] <= _FEW < min(shape[2:]):
        raise UserError(
            f"{name}: images must be [N, H, W, C], got {shape}, which looks like [N, C, H, W]; "
            "give numpy.moveaxis(images, 1, -1)"
        )
