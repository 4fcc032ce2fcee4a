"""Data sets with random access, as torchvision has them, as sources. Axes: N items.

No library is imported here: objects come from whoever has imported it.
"""

from collections.abc import Iterable
from typing import Any, cast

import numpy as np
from PIL import Image

from ilk.core.errors import UserError
from ilk.core.facts import Fact
from ilk.core.unknown import UNKNOWN
from ilk.data.classes import labels_of, nothing_known
from ilk.data.datasets import sampled
from ilk.data.leavings import same
from ilk.data.loose import is_array, pixels_of_pillow
from ilk.data.source import BadItem

_TARGETS = ("targets", "labels", "_labels", "y")  # torchvision has all of them
_DEEPEST = 5  # wrappers around wrappers
_TRIED, _TIMES = 3, 3  # items that are asked for several times, to see that they stay the same


class MapStyle:
    """A torchvision ``VisionDataset``, or any that gives (image, label) for an index.

    Images may be Pillow images, whose alpha is laid over white, arrays [H, W, C] or tensors
    [C, H, W]. Labels are taken from ``targets`` or ``labels``, and go through
    ``target_transform``; a data set that has neither but names its ``classes`` is asked for the
    whole item.

    Raises:
        UserError: the data set, or one that it wraps, has a transform, or it gives another
            image each time it is asked for the same one.
    """

    def __init__(self, dataset: Any) -> None:
        self.name = type(dataset).__name__
        owner = _transformed(dataset, 0)
        if owner is not None:
            where = "" if owner is dataset else f", but its {type(owner).__name__} has one"
            raise UserError(
                f"{self.name}: must have no transform{where}, because views are made of the "
                "stored pixels; construct it without"
            )
        self._dataset = dataset
        names: Any = getattr(dataset, "classes", ())
        texts = isinstance(names, Iterable) and all(isinstance(name, str) for name in names)
        self._names = tuple(map(same, names)) if texts else ()
        known, self._asked = _labels(dataset, self._names)
        self.classes, self._labels = known.names, known.values
        self.unlabelled_because = known.reason
        self._check_steady()

    def __len__(self) -> int:
        """N, as the data set says."""
        return len(self._dataset)

    def item(self, index: int) -> np.ndarray:
        """The image as an array; whatever the data set raises makes it a bad item."""
        image: Any = self._row(index)[0]
        if isinstance(image, Image.Image):
            return pixels_of_pillow(image)
        if isinstance(image, np.ndarray):
            return image
        pixels = np.asarray(image)
        return np.moveaxis(pixels, 0, -1) if pixels.ndim == 3 else pixels

    def label(self, index: int) -> int:
        """The target, or the second of the pair if it is the number or name of a class."""
        if not self._asked:
            return int(self._labels[index])
        try:
            target: Any = self._row(index)[1]
            found = labels_of([target], self._names)
        except (BadItem, ValueError, IndexError):
            return UNKNOWN
        name = found.names[found.values[0]] if found.values[0] >= 0 else ""
        return self._names.index(name) if name in self._names else UNKNOWN

    def key(self, index: int) -> str:
        """The index."""
        return str(index)

    @property
    def fingerprint(self) -> str:
        """Of 256 items, evenly spread, their labels, and all that it lists."""
        return sampled(self, self._labels)

    def _row(self, index: int) -> tuple[Any, ...]:
        try:
            row = self._dataset[index]
        except Exception as error:
            raise BadItem(f"unreadable: {type(error).__name__}: {error}") from error
        return cast("tuple[Any, ...]", row) if isinstance(row, tuple) and row else (row,)

    def _check_steady(self) -> None:
        """Refuse a random transform that no attribute betrays."""
        for index in range(min(len(self), _TRIED)):
            try:
                first = self.item(index)
                again = [self.item(index) for _ in range(_TIMES - 1)]
            except BadItem:
                continue
            if not all(np.array_equal(first, other) for other in again):
                raise UserError(
                    f"{self.name}: must give the same pixels each time, but item {index} "
                    "changes; views are made of stored pixels, so take out what changes them"
                )


def _transformed(dataset: Any, depth: int) -> Any:
    """The data set itself, or one in it, that has a transform of images; else None."""
    transform = getattr(dataset, "transform", None)
    both: Any = getattr(dataset, "transforms", None)  # torchvision's for image and target
    only_target = hasattr(both, "transform") and both.transform is None
    own = (transform, None if only_target else both)
    if any(value and getattr(value, "__self__", None) is not dataset for value in own):
        return dataset
    for inner in _inside(dataset) if depth < _DEEPEST else ():
        found = _transformed(inner, depth + 1)
        if found is not None:
            return found
    return None


def _inside(dataset: Any) -> list[Any]:
    """The data sets that one keeps in its attributes, alone or in a list."""
    kept: dict[str, Any] = getattr(dataset, "__dict__", {})
    several = [value for value in kept.values() if isinstance(value, list | tuple)]
    parts = [part for group in several for part in cast("list[Any]", group)[:64]]
    return [
        value
        for value in (*kept.values(), *parts)
        if hasattr(type(value), "__getitem__")
        and hasattr(value, "__dict__")
        and not (is_array(value) or isinstance(value, Image.Image))
    ]


def _labels(dataset: Any, names: tuple[str, ...]) -> tuple[Fact, bool]:
    """The labels that a data set keeps, or whether it is to be asked for each."""
    count = len(dataset)
    attribute = next((a for a in _TARGETS if _fits(getattr(dataset, a, None), count)), None)
    tensors = getattr(dataset, "tensors", None)  # torch's TensorDataset
    if attribute is not None:
        values = getattr(dataset, attribute)
    elif isinstance(tensors, tuple) and len(cast("tuple[Any, ...]", tensors)) > 1:
        attribute, values = "second tensor", cast("tuple[Any, ...]", tensors)[1]
    elif names:
        reason = "the data set does not give a whole number or a class name with every image"
        return Fact(names, nothing_known(count, "").values, reason), True
    else:
        reason = f"the data set has none of {', '.join(_TARGETS[:2])} and classes, one an image"
        return nothing_known(count, reason), False
    try:
        listed: Any = np.asarray(values) if is_array(values) else list(values)
        change = getattr(dataset, "target_transform", None)
        if change is not None:
            listed, names = [change(value) for value in listed], ()
        return labels_of(listed, names), False
    except Exception as error:  # of the target_transform, too
        return nothing_known(count, f"its {attribute} {error}"), False


def _fits(values: Any, count: int) -> bool:
    return hasattr(values, "__len__") and not callable(values) and len(values) == count
