"""Checks that two sets can be compared, and puts them into one numbering of classes."""

from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Bool, Int64

from ilk.core import UserError
from ilk.data import Source, Subset
from ilk.embedding import Embeddings
from ilk.evaluate.overlap import disjoint
from ilk.evaluate.protocols.protocol import Images, Labelled, Protocol, Task, Tell, silent

SHOWN = 5  # names that an error lists at most


@dataclass(frozen=True, kw_only=True, slots=True)
class EmbeddedSets:
    """What was embedded of what.

    Args:
        test: always there.
        train: None where no protocol needs it.
        gallery: to look for the test items in; None is test itself.
        images: behind train and test, item for item, bad ones included.
    """

    test: Embeddings
    train: Embeddings | None = None
    gallery: Embeddings | None = None
    images: Images | None = None

    @property
    def there(self) -> dict[str, Embeddings]:
        """Those that are there, by name."""
        named = {"train": self.train, "test": self.test, "gallery": self.gallery}
        return {name: part for name, part in named.items() if part is not None}


def make_task(parts: EmbeddedSets, protocol: Protocol, seed: int, tell: Tell = silent) -> Task:
    """The items that a protocol uses, classes matched by their names.

    Where labels are needed, items without one are left out.

    Args:
        parts: of one encoder.
        protocol: which is to measure on them.
        seed: of everything that the protocol draws.
        tell: for its progress.

    Raises:
        UserError: a set is missing, empty, has no labels or holds numbers that are not finite;
            they come from different encoders; they share images; test has a class that train
            has not, or one class only.
    """
    parts = _needed(parts, protocol)
    needs = protocol.needs
    for name, part in parts.there.items():
        _usable(name, part, "labels" in needs)
        _together(name, part, parts.test)
        if name != "test":
            disjoint(part, parts.test, name)
    labels, classes = _labels(parts) if "labels" in needs else _as_they_are(parts)
    used = {name: known >= 0 for name, known in labels.items()}
    if "labels" not in needs:
        used = {name: np.ones(len(known), bool) for name, known in labels.items()}
    rows = {name: _rows(part, labels[name], used[name]) for name, part in parts.there.items()}
    nothing = Labelled(
        vectors=torch.empty(0, parts.test.vectors.shape[1]), labels=torch.empty(0).long()
    )
    return Task(
        train=rows.get("train", nothing),
        test=rows["test"],
        gallery=rows.get("gallery"),
        classes=classes,
        seed=seed,
        images=_pictures(parts, used) if "images" in needs else None,
        tell=tell,
    )


def check_labels(parts: EmbeddedSets, protocol: Protocol) -> EmbeddedSets:
    """Refuse sets whose labels do not serve a protocol; of vectors nothing is asked.

    Args:
        parts: perhaps without vectors, see ``ilk.evaluate.before``.
        protocol: which is to measure on them.

    Returns:
        Those that the protocol uses.

    Raises:
        UserError: a set is missing, has no labels, or none that fit those of the others.
    """
    parts = _used(parts, protocol)
    if "labels" in protocol.needs:
        for name, part in parts.there.items():
            _labelled(name, part)
        _labels(parts)
    return parts


def check_encoder(images: Images, protocol: Protocol) -> None:
    """Refuse an encoder that a protocol cannot be asked of.

    Raises:
        UserError: the protocol trains weights, and the encoder has none; or it looks at images,
            and the encoder reads others; or it needs a classifier, places or masks, and there
            are none.
    """
    if "images" in protocol.needs and images.encoder.kind != "image":
        raise UserError(
            f"evaluate: {protocol.name} needs an encoder of images, got one of "
            f"{images.encoder.kind}s; protocols that go by vectors alone, such as knn, do"
        )
    if "classifier" in protocol.needs and images.classifier is None:
        raise UserError(
            f"evaluate: {protocol.name} needs a run that has learned classes, got"
            f" {images.encoder.name} without a classifier"
        )
    if "places" in protocol.needs and not images.has_places:
        raise UserError(
            f"evaluate: {protocol.name} needs an encoder that shows images place by place, got"
            f" {images.encoder.name}, which gives one vector; give a run, timm:NAME or"
            " random:NAME"
        )
    for name, masks in (("train", images.train_masks), ("test", images.test_masks)):
        if "masks" in protocol.needs and masks is None:
            raise UserError(
                f"{name}_masks: must be given for {protocol.name}, since the images know"
                " none of their own; give a folder with a mask for"
                " each, or PARQUET:images=COLUMN"
            )
    if "weights" in protocol.needs and not images.has_weights:
        raise UserError(
            f"evaluate: {protocol.name} needs an encoder with weights to train, got"
            f" {images.encoder.name}; give a run, timm:NAME or random:NAME"
        )


def _used(parts: EmbeddedSets, protocol: Protocol) -> EmbeddedSets:
    """The parts that the protocol uses; refuses when train is missing."""
    if "train" in protocol.needs and parts.train is None:
        raise UserError(
            f"evaluate: {protocol.name} needs labelled images to train on, got none; give train"
        )
    train = parts.train if "train" in protocol.needs else None
    gallery = parts.gallery if protocol.takes_gallery else None
    return replace(parts, train=train, gallery=gallery)


def _needed(parts: EmbeddedSets, protocol: Protocol) -> EmbeddedSets:
    """The parts that the protocol uses; refuses when one is missing."""
    parts = _used(parts, protocol)
    if "images" in protocol.needs and parts.images is None:
        raise UserError(
            f"evaluate: {protocol.name} needs an encoder and its images, got vectors; give a"
            " run or timm:NAME and images"
        )
    if parts.images:
        check_encoder(parts.images, protocol)
    return parts


def _labels(parts: EmbeddedSets) -> tuple[dict[str, Int64[np.ndarray, " N"]], tuple[str, ...]]:
    """The labels of all parts in one numbering, and its names: those that train has.

    Where there is no train they are those of the gallery, or of test.
    """
    first_name = next(name for name in ("train", "gallery", "test") if name in parts.there)
    first = parts.there[first_name]
    names, there = _names(first), np.unique(first.labels[first.labels >= 0])
    classes = tuple(names[label] for label in there)
    # Numbers may be ids, of which the largest says nothing of how many classes there are.
    place = np.full(len(names) + 1, -1, np.int64)
    place[there] = np.arange(len(there))
    found = {first_name: place[first.labels]}
    for name, part in parts.there.items():
        if name != first_name:
            found[name] = place[_renumbered(first_name, first, name, part)]
    test = found["test"]
    if len(np.unique(test[test >= 0])) == 1:
        raise UserError(
            f"evaluate: test must have two classes or more, got {classes[test.max()]!r} only;"
            f" every encoder scores the same there"
        )
    return found, classes


def _as_they_are(
    parts: EmbeddedSets,
) -> tuple[dict[str, Int64[np.ndarray, " N"]], tuple[str, ...]]:
    return {name: part.labels for name, part in parts.there.items()}, parts.test.classes


def _together(name: str, part: Embeddings, test: Embeddings) -> None:
    if part.encoder != test.encoder or part.vectors.shape[1] != test.vectors.shape[1]:
        raise UserError(
            f"evaluate: {name} and test must come from one encoder, got {part.encoder[:12]}"
            f" and {test.encoder[:12]}; embed both again"
        )


def _pictures(parts: EmbeddedSets, used: dict[str, Bool[np.ndarray, " N"]]) -> Images:
    """The sources cut down to the rows that the protocol is given."""
    images = parts.images
    assert images is not None
    train = None
    if parts.train is not None:
        if images.train is None:
            raise UserError("evaluate: this protocol needs the images of train, got vectors")
        rows = _items(images.train, parts.train, used["train"])
        train, known = Subset(images.train, rows), images.train_masks
        images = replace(images, train_masks=None if known is None else known.take(rows))
    rows, known = _items(images.test, parts.test, used["test"]), images.test_masks
    masks = None if known is None else known.take(rows)
    return replace(images, train=train, test=Subset(images.test, rows), test_masks=masks)


def _items(
    source: Source, part: Embeddings, used: Bool[np.ndarray, " N"]
) -> Int64[np.ndarray, " M"]:
    """The items of a source that the used rows of its embeddings stand for."""
    readable = np.delete(np.arange(len(source)), [bad.index for bad in part.bad])
    return readable[used]


def _usable(name: str, part: Embeddings, labelled: bool) -> None:
    if not len(part):
        raise UserError(f"evaluate: {name} must hold images, it is empty")
    if labelled:
        _labelled(name, part)
    finite = np.isfinite(part.vectors).all(1)
    if not finite.all():
        first = part.keys[int(finite.argmin())]
        raise UserError(
            f"evaluate: features must be finite, {(~finite).sum()} of {len(part)} {name} images"
            f" have NaN or infinity, first {first}; the encoder is broken, take an earlier one"
        )


def _labelled(name: str, part: Embeddings) -> None:
    if (part.labels < 0).all():
        raise UserError(
            f"evaluate: {name} must have labels, none of its {len(part.labels)} images has one:"
            f" {part.unlabelled_because or 'these vectors were made without'}"
        )


def _names(part: Embeddings) -> tuple[str, ...]:
    return part.classes or tuple(map(str, range(int(part.labels.max()) + 1)))


def _renumbered(
    first: str, train: Embeddings, second: str, test: Embeddings
) -> Int64[np.ndarray, " N"]:
    """The labels of the second set as positions in the classes of the first."""
    classes = _names(train)
    place = {classes[label]: int(label) for label in np.unique(train.labels[train.labels >= 0])}
    names = _names(test)
    used = [names[label] for label in np.unique(test.labels[test.labels >= 0])]
    missing = [name for name in used if name not in place]
    if len(missing) == len(used):
        raise UserError(
            f"evaluate: {first} and {second} must have the same class names, {first} has"
            f" {_few(list(place))} and {second} {_few(used)}"
        )
    if missing:
        raise UserError(
            f"evaluate: every class of {second} must be in {first}, {_few(missing)} not"
            f" ({len(missing)} of {len(used)}); add images of it or take it out of {second}"
        )
    table = np.array([place.get(name, -1) for name in names] + [-1], np.int64)
    return table[test.labels]


def _few(names: list[str]) -> str:
    shown = ", ".join(map(repr, names[:SHOWN]))
    return f"{shown} and {len(names) - SHOWN} more" if len(names) > SHOWN else shown


def _rows(
    part: Embeddings, labels: Int64[np.ndarray, " N"], used: Bool[np.ndarray, " N"]
) -> Labelled:
    vectors = part.vectors if used.all() else part.vectors[used]
    return Labelled(
        vectors=torch.from_numpy(np.require(vectors, requirements="W")),
        labels=torch.from_numpy(labels[used].astype(np.int64)),
    )
