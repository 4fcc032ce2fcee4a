"""Images that two sets share: refused where they are the same, counted where they look it."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pyarrow.compute as pc
import torch
from jaxtyping import Float32, Int64

from ilk.core import UserError
from ilk.curate import Appearances, Copy, agreement_threshold, copies_among, look_at
from ilk.data import Source, Subset, default_workers
from ilk.data.source import spread
from ilk.embedding import Embeddings, nearest

SAME = 1e-3  # share of the spread of train that the same image may differ by in another batch
CLOSE = 0.8  # cosine of standardised features of a candidate, where there are no pixels
MOST = 10_000  # images of a set that are compared, evenly spread


def disjoint(part: Embeddings, test: Embeddings, name: str) -> None:
    """Refuse test images that are in another set too, byte for byte.

    Where the content of items is not known (vectors that an earlier version wrote), those that
    have both key and vector in common count.

    Args:
        part: train, or another set that must not hold test images.
        test: embeddings by the same encoder.
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
        agreement: how well pixels of copies agree at least; None without pixels.
    """

    count: int
    of: int
    examples: tuple[tuple[str, str], ...]
    compared: tuple[int, int] | None
    known: int
    agreement: float | None = None

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
            f"{self.count} of {asked} test images are copies of a train image{part}, first"
            f" {ours} of {theirs}; scores may be too good, ilk leaks shows them all"
        )

    def to_dict(self) -> dict[str, Any]:
        """All of it, as JSON can hold it."""
        return asdict(self) | {"cosine": CLOSE}


def near_duplicates(
    train: Embeddings,
    test: Embeddings,
    sources: tuple[Source, Source] | None = None,
    shown: int = 5,
) -> NearDuplicates:
    """Count test images that are near-copies of a train image: the same for every encoder.

    A test image counts where `ilk.curate.copies_among` finds it by pixels and hashes: what
    ``ilk leaks`` does without vectors. At most 10,000 images of each set are compared, evenly
    spread. Without the sources, or where rows were taken out of the embeddings, there are only
    candidates: test images whose nearest train image has a cosine of 0.8 or more, of features
    standardised by train.

    Args:
        train: embeddings by the same encoder as ``test``; finite.
        test: finite.
        sources: where the images of train and test come from.
        shown: examples at most, those that agree most first.
    """
    if sources and all(map(_row_by_row, (train, test), sources)):
        return _by_pixels(train, test, sources, shown)
    rows, scores = most_similar(train, test)
    found = np.flatnonzero(scores >= CLOSE)
    found = found[np.argsort(-scores[found].round(4), kind="stable")]
    return NearDuplicates(
        count=len(found),
        of=len(test),
        examples=_examples(train, test, rows[found], found, shown),
        compared=None,
        known=len(train),
    )


def _by_pixels(
    train: Embeddings, test: Embeddings, sources: tuple[Source, Source], shown: int
) -> NearDuplicates:
    (known, among), (asked, at) = map(_looked_at, (train, test), sources)
    copies, limit = compared_copies(known, asked, default_workers())
    copies = sorted(copies, key=lambda copy: (-round(copy.agreement, 4), copy.row))
    ours, theirs = (np.array([getattr(c, n) for c in copies], np.int64) for n in ("row", "of"))
    return NearDuplicates(
        count=len(copies),
        of=len(test),
        examples=_examples(train, test, among[theirs], at[ours], shown),
        compared=(len(asked), len(known)),
        known=len(train),
        agreement=limit,
    )


def _examples(
    train: Embeddings, test: Embeddings, rows: np.ndarray, at: np.ndarray, shown: int
) -> tuple[tuple[str, str], ...]:
    """Keys of test and train of the first pairs."""
    some = zip(at[:shown].tolist(), rows[:shown].tolist(), strict=True)
    return tuple((str(test.keys[ours]), str(train.keys[theirs])) for ours, theirs in some)


def compared_copies(
    known: Appearances, asked: Appearances, workers: int = 1
) -> tuple[list[Copy], float]:
    """Images that are copies of known ones, and the agreement from which on they are.

    Args:
        known: how the images look that are looked among.
        asked: how those look that are asked for.
        workers: threads.
    """
    limit = agreement_threshold(known, workers=workers).value
    return copies_among(known, asked, threshold=limit, workers=workers), limit


def _looked_at(part: Embeddings, source: Source) -> tuple[Appearances, Int64[np.ndarray, " N"]]:
    """How at most so many rows look, and which row of the embeddings each one is."""
    items = np.delete(np.arange(len(source)), [bad.index for bad in part.bad])
    rows = spread(len(part), MOST)
    looks = look_at(Subset(source, items[rows]), workers=default_workers())
    return looks, rows[looks.items]


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
