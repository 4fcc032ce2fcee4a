"""Images that two sets share: refused where they are the same, counted where they look it."""

from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import Any

import cv2
import numpy as np
import pyarrow.compute as pc
import torch
from jaxtyping import Float, Float32, Int64, UInt8

from ilk.core import UserError
from ilk.data import BadItem, Source, decode, read_item
from ilk.embedding import Embeddings, nearest

ALIKE = 1e-3  # of the spread of train: the same image, encoded in another batch
CLOSE = 0.8  # cosine of standardised features, from which pixels are compared
AGREE = 0.98  # correlation of pixels; measured by benchmarks/near_duplicates.py
SIDE = 16  # pixels of the small images that are compared
FLAT = 2.0  # of 255
MOST = 2000  # pairs whose pixels are compared


def disjoint(part: Embeddings, test: Embeddings, name: str) -> None:
    """Refuse test images that are in another set too, byte for byte.

    Where the content of items is not known (vectors that an earlier version wrote), those that
    have both key and vector in common count.

    Args:
        part: train, or another set that must not hold test images.
        test: of the same encoder.
        name: what ``part`` is called.

    Raises:
        UserError: there are some; it says how many and names the first.
    """
    shared = np.arange(len(test))
    if part.data != test.data:
        known = part.contents is not None and test.contents is not None
        shared = _same_content(part, test) if known else _same_key_and_vector(part, test)
    if len(shared):
        raise shared_images(name, len(shared), len(test), str(test.keys[int(shared[0])]))


def shared_images(name: str, count: int, of: int, first: str) -> UserError:
    """The error for test images that are in another set too.

    Args:
        name: what the other set is called.
        count: how many there are.
        of: test images.
        first: key of one of them.
    """
    return UserError(
        f"evaluate: {name} and test must not share images, {count} of {of} test images are in"
        f" {name} too, first {first}; take them out of one"
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class NearDuplicates:
    """Test images that are near-copies of an image of train, or candidates for that.

    Args:
        count: how many; without pixels, how many candidates.
        of: test images there are.
        examples: keys of some, each with the key in train.
        candidates: test images that the encoder puts close to a train image.
        checked: candidates whose pixels were compared; None where there are only vectors.
    """

    count: int
    of: int
    examples: tuple[tuple[str, str], ...]
    candidates: int
    checked: int | None = None

    @property
    def warning(self) -> str:
        """The finding in words; empty where there is nothing to say."""
        if not self.count:
            return ""
        ours, theirs = self.examples[0]
        if self.checked is None:
            return (
                f"{self.count} of {self.of} test images may be copies of a train image (cosine"
                f" {CLOSE} or more), first {ours} of {theirs}; only pixels can tell, evaluate"
                " from images to compare them"
            )
        part = ""
        if self.checked < self.candidates:
            part = f" (compared: the {self.checked} most similar of {self.candidates})"
        return (
            f"{self.count} of {self.of} test images have nearly the pixels of a train image"
            f"{part}, first {ours} as {theirs}; scores may be too good"
        )

    def to_dict(self) -> dict[str, Any]:
        """All of it, as JSON can hold it."""
        return asdict(self) | {"cosine": CLOSE, "agreement": AGREE, "side": SIDE}


def near_duplicates(
    train: Embeddings,
    test: Embeddings,
    sources: tuple[Source, Source] | None = None,
    shown: int = 5,
) -> NearDuplicates:
    """Count test images that are near-copies of a train image.

    The nearest train image of each test image is a candidate where their cosine, of features
    standardised by train, is 0.8 or more. Candidates count where `agreement` of their pixels is
    0.98 or more. At most the 2,000 most similar candidates are compared. Without the
    sources, or where rows were taken out of the embeddings, candidates are all there is.

    Args:
        train: of the same encoder; finite.
        test: finite.
        sources: where the images of train and test come from.
        shown: examples at most, those that agree most first.
    """
    rows, cosines = most_similar(train, test)
    close = np.flatnonzero(cosines >= CLOSE)
    close = close[np.argsort(-cosines[close].round(4), kind="stable")]
    found, checked = close, None
    if sources and all(map(_row_by_row, (train, test), sources)):
        checked = min(len(close), MOST)
        pairs = np.stack([close, rows[close]], 1)[:MOST]
        agreed = _agreements(train, test, sources, pairs)
        found = close[:MOST][agreed >= AGREE]
        found = found[np.argsort(-agreed[agreed >= AGREE].round(4), kind="stable")]
    return NearDuplicates(
        count=len(found),
        of=len(test),
        examples=tuple(
            (str(test.keys[int(row)]), str(train.keys[int(rows[row])])) for row in found[:shown]
        ),
        candidates=len(close),
        checked=checked,
    )


def thumbnail(item: bytes | np.ndarray) -> UInt8[np.ndarray, "S S 3"]:
    """The whole image, upright, in 16 x 16 pixels of which each is a mean.

    Raises:
        BadItem: it cannot be decoded.
    """
    pixels = decode(item, channels=3)
    return cv2.resize(pixels, (SIDE, SIDE), interpolation=cv2.INTER_AREA)


def agreement(ours: UInt8[np.ndarray, "S S 3"], theirs: UInt8[np.ndarray, "S S 3"]) -> float:
    """Normalised correlation of two small images over pixels and channels, -1 to 1.

    It is free of brightness and contrast. Images that are nearly of one colour have none to
    speak of: they agree, by 1, if no value differs by more than 2 of 255, else by 0.
    """
    a, b = (image.astype(np.float64).ravel() for image in (ours, theirs))
    if min(a.std(), b.std()) < FLAT:
        return float(np.abs(a - b).max() <= FLAT)
    return float(np.corrcoef(a, b)[0, 1])


def _agreements(
    train: Embeddings,
    test: Embeddings,
    sources: tuple[Source, Source],
    pairs: Int64[np.ndarray, "K 2"],
) -> Float[np.ndarray, " K"]:
    """Of the pixels of pairs of a test row and a train row; -1 where one cannot be read."""
    items = [
        _items(part, source) for part, source in zip((test, train), sources[::-1], strict=True)
    ]
    agreed = np.full(len(pairs), -1.0)
    for at, (ours, theirs) in enumerate(pairs.tolist()):
        with suppress(BadItem):
            agreed[at] = agreement(
                thumbnail(read_item(sources[1], int(items[0][ours]))),
                thumbnail(read_item(sources[0], int(items[1][theirs]))),
            )
    return agreed


def _row_by_row(part: Embeddings, source: Source) -> bool:
    """Whether each row is an item of the source, in order, but for bad ones."""
    return part.data == source.fingerprint and len(part) + len(part.bad) == len(source)


def _items(part: Embeddings, source: Source) -> Int64[np.ndarray, " N"]:
    """Which item of its source each row is."""
    return np.delete(np.arange(len(source)), [bad.index for bad in part.bad])


def most_similar(
    train: Embeddings, test: Embeddings
) -> tuple[Int64[np.ndarray, " N"], Float32[np.ndarray, " N"]]:
    """The nearest train item of each test item and their cosine, standardised by train."""
    mean, scale = train.vectors.mean(0), train.vectors.std(0)
    scale[scale == 0] = 1
    asked, known = (torch.from_numpy((p.vectors - mean) / scale) for p in (test, train))
    rows, cosines = (found[:, 0].numpy() for found in nearest(asked, known, 1))
    return rows, cosines


def _same_content(part: Embeddings, test: Embeddings) -> Int64[np.ndarray, " K"]:
    assert part.contents is not None
    assert test.contents is not None
    return np.flatnonzero(np.isin(test.contents, part.contents))


def _same_key_and_vector(part: Embeddings, test: Embeddings) -> Int64[np.ndarray, " K"]:
    place = pc.call_function("index_in", [test.keys], pc.SetLookupOptions(part.keys))
    shared = np.flatnonzero(place.is_valid().to_numpy(zero_copy_only=False))
    if not len(shared):
        return shared
    twins = part.vectors[place.drop_null().to_numpy()]
    apart = np.abs(test.vectors[shared] - twins).max(1)
    return shared[apart < ALIKE * part.vectors.std(0).max()]
