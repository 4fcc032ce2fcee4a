"""Images that two sets share: refused where they are the same, counted where they look it."""

from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import Any

import cv2
import numpy as np
import pyarrow.compute as pc
import torch
from jaxtyping import Bool, Float32, Int64, UInt8
from torch import Tensor

from ilk.core import MinPixels, UserError
from ilk.core.prefetch import mapped_ahead
from ilk.data import BadItem, Source, decode, default_workers, read_item
from ilk.data.source import spread
from ilk.embedding import Embeddings, nearest

SAME = 1e-3  # share of the spread of train that the same image may differ by in another batch
CLOSE = 0.8  # cosine of standardised features of a candidate, where there are no pixels
AGREE = 0.98  # correlation of pixels; measured by benchmarks/near_duplicates.py
SIDE = 16  # pixels of the small images that are compared
FLAT = 2.0  # of 255
MOST = 10_000  # images of a set that are compared, evenly spread
DETAIL = MinPixels((4 * SIDE) ** 2, 4 * SIDE)  # of a large JPEG, before it is made small


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
        compared: images of test and of train whose pixels were compared; None where there are
            only vectors.
        known: train images there are.
    """

    count: int
    of: int
    examples: tuple[tuple[str, str], ...]
    compared: tuple[int, int] | None
    known: int

    @property
    def warning(self) -> str:
        """The finding in words; empty where there is nothing to say."""
        if not self.count:
            return ""
        ours, theirs = self.examples[0]
        if self.compared is None:
            return (
                f"{self.count} of {self.of} test images may be copies of a train image (cosine"
                f" {CLOSE} or more), first {ours} of {theirs}; only pixels can tell, evaluate"
                " from images to compare them"
            )
        asked, known = self.compared
        part = ""
        if known < self.known:
            part = f" (compared with {known:,} of {self.known:,})"
        return (
            f"{self.count} of {asked} test images have nearly the pixels of a train image"
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
    """Count test images that are near-copies of a train image: the same for every encoder.

    A test image counts where the `agreement` of its pixels with those of a train image is 0.98
    or more. At most 10,000 images of each set are compared, evenly spread. Without the sources,
    or where rows were taken out of the embeddings, there are only candidates: test images whose
    nearest train image has a cosine of 0.8 or more, of features standardised by train.

    Args:
        train: of the same encoder; finite.
        test: finite.
        sources: where the images of train and test come from.
        shown: examples at most, those that agree most first.
    """
    compared = None
    if sources and all(map(_row_by_row, (train, test), sources)):
        known, asked = map(_small_images, (train, test), sources)
        compared = len(asked), len(known)
        nearest_rows, agreed = most_agreeing(known.images, asked.images)
        rows, scores, least = known.rows[nearest_rows], agreed, AGREE
        at = asked.rows
    else:
        (rows, scores), least = most_similar(train, test), CLOSE
        at = np.arange(len(test))
    found = np.flatnonzero(scores >= least)
    found = found[np.argsort(-scores[found].round(4), kind="stable")]
    return NearDuplicates(
        count=len(found),
        of=len(test),
        examples=tuple(
            (str(test.keys[int(at[row])]), str(train.keys[int(rows[row])]))
            for row in found[:shown]
        ),
        compared=compared,
        known=len(train),
    )


def thumbnail(item: bytes | np.ndarray) -> UInt8[np.ndarray, "S S 3"]:
    """The whole image, upright, in 16 x 16 pixels of which each is a mean.

    Raises:
        BadItem: it cannot be decoded.
    """
    pixels = decode(item, channels=3, detail=DETAIL)
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


def most_agreeing(
    known: UInt8[np.ndarray, "M S S 3"], asked: UInt8[np.ndarray, "N S S 3"]
) -> tuple[Int64[np.ndarray, " N"], Float32[np.ndarray, " N"]]:
    """For each small image the one of ``known`` that agrees most, and their `agreement`."""
    if not len(known) or not len(asked):
        return np.zeros(len(asked), np.int64), np.zeros(len(asked), np.float32)
    (theirs, flat), (ours, even) = map(_standardised, (known, asked))
    rows, agreed = (found[:, 0].numpy() for found in nearest(ours, theirs, 1))
    rows, agreed = rows.copy(), agreed.copy()
    plain = np.flatnonzero(flat)
    colours = known[plain].mean((1, 2))
    for row in np.flatnonzero(even):
        agreed[row] = 0.0
        if len(plain):
            apart = np.abs(colours - asked[row].mean((0, 1))).max(1)
            rows[row] = plain[int(apart.argmin())]
            agreed[row] = agreement(asked[row], known[rows[row]])
    return rows, agreed


def _standardised(
    images: UInt8[np.ndarray, "N S S 3"],
) -> tuple[Float32[Tensor, "N F"], Bool[np.ndarray, " N"]]:
    """Values without mean, whose cosine is the correlation, and which images are flat."""
    values = torch.from_numpy(images.reshape(len(images), -1)).float()
    flat = values.std(1, correction=0) < FLAT
    return (values - values.mean(1, keepdim=True)).masked_fill(flat[:, None], 0), flat.numpy()


@dataclass(frozen=True, slots=True)
class _Small:
    """Small images, and which row of a set each one is."""

    images: UInt8[np.ndarray, "N S S 3"]
    rows: Int64[np.ndarray, " N"]

    def __len__(self) -> int:
        return len(self.rows)


def _small_images(part: Embeddings, source: Source) -> _Small:
    """The small images of at most so many rows, without those that cannot be read."""
    items = np.delete(np.arange(len(source)), [bad.index for bad in part.bad])
    rows = spread(len(part), MOST)

    def made(row: int) -> UInt8[np.ndarray, "S S 3"] | None:
        with suppress(BadItem):
            return thumbnail(read_item(source, int(items[row])))
        return None

    found = list(
        mapped_ahead(made, rows.tolist(), workers=default_workers(), name="ilk-compare")
    )
    good = [number for number, image in enumerate(found) if image is not None]
    images = [image for image in found if image is not None]
    empty = np.zeros((0, SIDE, SIDE, 3), np.uint8)
    return _Small(np.stack(images) if images else empty, rows[good])


def _row_by_row(part: Embeddings, source: Source) -> bool:
    """Whether each row is an item of the source, in order, but for bad ones."""
    return part.data == source.fingerprint and len(part) + len(part.bad) == len(source)


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
    return shared[apart < SAME * part.vectors.std(0).max()]
