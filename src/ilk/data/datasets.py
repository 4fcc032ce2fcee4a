"""Other libraries' data sets as sources: Hugging Face ``datasets`` and torchvision.

Neither library is imported here: their objects come from whoever has imported them.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Int32
from PIL import Image

from ilk.core.errors import UserError
from ilk.data.classes import counted, numbered
from ilk.data.columns import image_column, label_column
from ilk.data.encoded import stored
from ilk.data.source import UNKNOWN, BadItem, Source, digest, read_file, spread
from ilk.data.values import over_white

_HASHED = 256  # items that enter the fingerprint


class HuggingFace:
    """A Hugging Face ``Dataset``; encoded images stay encoded until they are decoded.

    Args:
        dataset: with random access, not an ``IterableDataset``.
        image: its column of images; found if there is one only or it is called so.
        label: its column of labels.
    """

    def __init__(
        self, dataset: Any, image: str | None = None, label: str | None = None
    ) -> None:
        self.name = str(dataset.info.dataset_name or "dataset")
        features: Mapping[str, Any] = dataset.features
        images = [name for name, kind in features.items() if type(kind).__name__ == "Image"]
        self._column = image_column(images, list(features), image, self.name)
        kind = features[self._column]
        if type(kind).__name__ == "Image":
            dataset = dataset.cast_column(self._column, type(kind)(decode=False))
        self._dataset = dataset.with_format(None)
        self._images = self._dataset.select_columns([self._column])
        labelled = label_column(list(features), list(features), label, self.name)
        self.classes, self._labels = self._read_labels(labelled) if labelled else ((), None)

    def __len__(self) -> int:
        """N, the number of rows."""
        return len(self._dataset)

    def item(self, index: int) -> bytes | np.ndarray:
        """The encoded image, or the array of another kind of column."""
        value = self._images[index][self._column]
        if value is None:
            raise BadItem("empty: the row holds no image")
        if not isinstance(value, dict):
            return np.asarray(value)
        if value.get("bytes") is not None:
            return value["bytes"]
        if value.get("path") is not None:
            return read_file(Path(value["path"]))
        raise BadItem("empty: neither bytes nor a path")

    def label(self, index: int) -> int:
        """The label column."""
        return UNKNOWN if self._labels is None else int(self._labels[index])

    def key(self, index: int) -> str:
        """The number of the row."""
        return str(index)

    @property
    def fingerprint(self) -> str:
        """Of 256 items, evenly spread, and all labels."""
        return _sampled(self)

    def _read_labels(self, column: str) -> tuple[tuple[str, ...], Int32[np.ndarray, " N"]]:
        values: list[Any] = list(self._dataset[column])
        names: Sequence[str] = getattr(self._dataset.features[column], "names", None) or ()
        return _numbered(values, names, f"{self.name}: {column}")


class MapStyle:
    """A torchvision ``VisionDataset``, or any that gives (image, label) for an index.

    Images may be Pillow images, whose alpha is laid over white, arrays [H, W, C] or tensors
    [C, H, W]. Labels are taken from ``targets`` or ``labels``; a data set that has neither but
    names its ``classes`` is asked for the whole item.
    """

    def __init__(self, dataset: Any) -> None:
        self.name = type(dataset).__name__
        if any(getattr(dataset, name, None) for name in ("transform", "transforms")):
            raise UserError(
                f"{self.name}: must have no transform, because views are made of the stored "
                "pixels; construct it without"
            )
        self._dataset = dataset
        values = getattr(dataset, "targets", getattr(dataset, "labels", None))
        names: Any = getattr(dataset, "classes", ())
        self._names = tuple(names) if all(isinstance(name, str) for name in names) else ()
        self._labels = None
        self.classes = self._names
        if values is not None and len(values) == len(dataset):
            self.classes, self._labels = _numbered(
                np.asarray(values).tolist(), self._names, f"{self.name}: targets"
            )

    def __len__(self) -> int:
        """N, as the data set says."""
        return len(self._dataset)

    def item(self, index: int) -> np.ndarray:
        """The image as an array; whatever the data set raises makes it a bad item."""
        image: Any = self._row(index)[0]
        if isinstance(image, Image.Image):
            pixels, alpha = stored(image)
            return over_white(pixels) if alpha else pixels
        if isinstance(image, np.ndarray):
            return image
        pixels = np.asarray(image)
        return np.moveaxis(pixels, 0, -1) if pixels.ndim == 3 else pixels

    def label(self, index: int) -> int:
        """The second of the pair, if it is a whole number."""
        if self._labels is not None:
            return int(self._labels[index])
        if not self.classes:
            return UNKNOWN
        try:
            _, target, *_ = self._row(index)
        except (BadItem, ValueError):
            return UNKNOWN
        return int(target) if isinstance(target, int | np.integer) else UNKNOWN

    def key(self, index: int) -> str:
        """The index."""
        return str(index)

    @property
    def fingerprint(self) -> str:
        """Of 256 items, evenly spread, and their labels."""
        return _sampled(self)

    def _row(self, index: int) -> tuple[Any, ...]:
        try:
            row = self._dataset[index]
        except Exception as error:
            raise BadItem(f"unreadable: {type(error).__name__}: {error}") from error
        return row if isinstance(row, tuple) else (row,)


def _numbered(
    values: list[Any], names: Sequence[str], where: str
) -> tuple[tuple[str, ...], Int32[np.ndarray, " N"]]:
    """Class names and numbers of any whole numbers and texts."""
    if all(value is None or isinstance(value, int) for value in values):
        numbers = np.array([UNKNOWN if value is None else value for value in values], np.int64)
        return counted(numbers, names)
    if not all(value is None or isinstance(value, str) for value in values):
        raise UserError(f"{where} must be whole numbers or names, got {values[0]!r}")
    places: dict[Any, int] = {None: UNKNOWN}
    codes = [places.setdefault(value, len(places) - 1) for value in values]
    return numbered([text for text in places if text is not None], np.array(codes, np.int64))


def _sampled(source: Source) -> str:
    parts = [str(source.classes).encode(), str(len(source)).encode()]
    for index in spread(len(source), _HASHED).tolist():
        parts.append(str(source.label(index)).encode())
        try:
            item = source.item(index)
            parts.append(
                item if isinstance(item, bytes) else np.ascontiguousarray(item).tobytes()
            )
        except BadItem as reason:
            parts.append(str(reason).encode())
    return digest(parts)
