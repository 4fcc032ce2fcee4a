"""Checks that two sets can be compared, and puts them into one numbering of classes."""

import numpy as np
import pyarrow.compute as pc
import torch
from jaxtyping import Int64

from ilk.core import UserError
from ilk.embedding import Embeddings
from ilk.evaluate.protocol import Labelled, Task

SHOWN = 5  # names that an error lists at most
ALIKE = 1e-3  # of the spread of train: the same picture, encoded in another batch


def comparable(train: Embeddings, test: Embeddings, seed: int) -> Task:
    """The labelled items of both, classes matched by their names.

    Args:
        train: items without a label are left out.
        test: likewise.
        seed: of everything that the protocols draw.

    Raises:
        UserError: a set is empty, has no labels or holds numbers that are not finite; they come
            from different encoders; they share images; test has a class that train has not, or
            one class only.
    """
    for name, part in (("train", train), ("test", test)):
        _usable(name, part)
    if train.encoder != test.encoder or train.vectors.shape[1] != test.vectors.shape[1]:
        raise UserError(
            f"evaluate: train and test must come from one encoder, got {train.encoder[:12]}"
            f" and {test.encoder[:12]}; embed both again"
        )
    _disjoint(train, test)
    classes = _names(train)
    labels = _renumbered(train, test, classes)
    if len(np.unique(labels[labels >= 0])) == 1:
        raise UserError(
            f"evaluate: test must have two classes or more, got"
            f" {classes[labels.max()]!r} only; every encoder scores the same there"
        )
    return Task(
        train=_labelled(train, train.labels), test=_labelled(test, labels), classes=classes,
        seed=seed,
    )  # fmt: skip


def _usable(name: str, part: Embeddings) -> None:
    if not len(part):
        raise UserError(f"evaluate: {name} must hold images, it is empty")
    if (part.labels < 0).all():
        raise UserError(
            f"evaluate: {name} must have labels, none of its {len(part)} images has one; put"
            " images into one folder per class or use a parquet file with a label column"
        )
    finite = np.isfinite(part.vectors).all(1)
    if not finite.all():
        first = part.keys[int(finite.argmin())]
        raise UserError(
            f"evaluate: features must be finite, {(~finite).sum()} of {len(part)} {name} images"
            f" have NaN or infinity, first {first}; the encoder is broken, take an earlier one"
        )


def _disjoint(train: Embeddings, test: Embeddings) -> None:
    """Refuse the same set twice, and images that have both key and vector in common."""
    shared = np.arange(len(test))
    if train.data != test.data:
        place = pc.call_function("index_in", [test.keys], pc.SetLookupOptions(train.keys))
        shared = np.flatnonzero(place.is_valid().to_numpy(zero_copy_only=False))
        if len(shared):
            twins = train.vectors[place.drop_null().to_numpy()]
            apart = np.abs(test.vectors[shared] - twins).max(1)
            shared = shared[apart < ALIKE * train.vectors.std(0).max()]
    if len(shared):
        raise UserError(
            f"evaluate: train and test must not share images, {len(shared)} of {len(test)} test"
            f" images are in train too, first {test.keys[int(shared[0])]}; take them out of one"
        )


def _names(part: Embeddings) -> tuple[str, ...]:
    return part.classes or tuple(map(str, range(int(part.labels.max()) + 1)))


def _renumbered(
    train: Embeddings, test: Embeddings, classes: tuple[str, ...]
) -> Int64[np.ndarray, " N"]:
    """The labels of test as positions in the classes of train."""
    place = {classes[label]: int(label) for label in np.unique(train.labels[train.labels >= 0])}
    names = _names(test)
    used = [names[label] for label in np.unique(test.labels[test.labels >= 0])]
    missing = [name for name in used if name not in place]
    if len(missing) == len(used):
        raise UserError(
            f"evaluate: train and test must name their classes alike, train has"
            f" {_few(list(place))} and test {_few(used)}"
        )
    if missing:
        raise UserError(
            f"evaluate: every class of test must be in train, {_few(missing)} not"
            f" ({len(missing)} of {len(used)}); add images of it or take it out of test"
        )
    table = np.array([place.get(name, -1) for name in names] + [-1], np.int64)
    return table[test.labels]


def _few(names: list[str]) -> str:
    shown = ", ".join(map(repr, names[:SHOWN]))
    return f"{shown} and {len(names) - SHOWN} more" if len(names) > SHOWN else shown


def _labelled(part: Embeddings, labels: Int64[np.ndarray, " N"]) -> Labelled:
    known = labels >= 0
    vectors = part.vectors if known.all() else part.vectors[known]
    return Labelled(
        vectors=torch.from_numpy(np.require(vectors, requirements="W")),
        labels=torch.from_numpy(np.ascontiguousarray(labels[known])),
    )
