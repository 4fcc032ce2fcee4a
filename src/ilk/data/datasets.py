"""Hugging Face data sets as sources.

The library is not imported here: its objects come from whoever has imported it.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Int32

from ilk.core.errors import UserError
from ilk.core.facts import LABEL, Fact
from ilk.data.classes import labels_of, nothing_known
from ilk.data.columns import image_column, label_columns, no_label_column
from ilk.data.source import BadItem, Source, digest, read_file, spread

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
        every = {name: type(kind).__name__ for name, kind in features.items()}
        self._column = image_column(images, every, image, self.name)
        kind = features[self._column]
        if type(kind).__name__ == "Image":
            dataset = dataset.cast_column(self._column, type(kind)(decode=False))
        self._dataset = dataset.with_format(None)
        self._images = self._dataset.select_columns([self._column])
        known = self._read_labels(label)
        self.classes, self._labels = known.names, known.values
        self.unlabelled_because = known.reason

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
        return int(self._labels[index])

    @property
    def facts(self) -> tuple[str, ...]:
        """The names of the features beside the images."""
        hidden = (self._column, LABEL)
        return tuple(name for name in self._dataset.features if name not in hidden)

    def fact(self, name: str) -> Fact:
        """What a feature says of every row."""
        try:
            return self._read(name)
        except ValueError as error:
            raise UserError(f"{self.name}: column {name} {error}") from error

    def key(self, index: int) -> str:
        """The number of the row."""
        return str(index)

    @property
    def fingerprint(self) -> str:
        """Of 256 items, evenly spread, and all labels."""
        return sampled(self, self._labels)

    def _read_labels(self, asked: str | None) -> Fact:
        features = list(self._dataset.features)
        reason = no_label_column([name for name in features if name != self._column], "label=")
        for column in label_columns(features, asked, self.name):
            try:
                return self._read(column)
            except ValueError as error:
                reason = f"column {column} {error}"
                if asked is not None:
                    raise UserError(f"{self.name}: {reason}") from error
        return nothing_known(len(self), reason)

    def _read(self, column: str) -> Fact:
        names: Any = getattr(self._dataset.features[column], "names", None) or ()
        return labels_of(list(self._dataset[column]), names)


def sampled(source: Source, labels: Int32[np.ndarray, " N"]) -> str:
    """A fingerprint of 256 items, evenly spread, their labels, and all that are known.

    Args:
        source: which reads the items, and may find the label of each in it.
        labels: all that it knows without reading an item.
    """
    parts = [str(source.classes).encode(), str(len(source)).encode(), labels.astype("<i4")]
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
