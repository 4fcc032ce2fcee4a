"""Images that two sets share: refused where they are the same, counted where they look it."""

from dataclasses import dataclass

import numpy as np
import pyarrow.compute as pc
import torch
from jaxtyping import Float32, Int64

from ilk.core import UserError
from ilk.embedding import Embeddings, nearest

ALIKE = 1e-3  # of the spread of train: the same picture, encoded in another batch
NEAR = 0.99  # cosine of standardised features


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
        raise UserError(
            f"evaluate: {name} and test must not share images, {len(shared)} of {len(test)}"
            f" test images are in {name} too, first {test.keys[int(shared[0])]}; take them out"
            f" of one"
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class NearDuplicates:
    """Test images that look the same to the encoder as an image of train.

    Args:
        count: how many.
        of: test images there are.
        examples: keys of some, each with the key in train.
    """

    count: int
    of: int
    examples: tuple[tuple[str, str], ...]

    @property
    def warning(self) -> str:
        """The finding in words; empty where there is nothing to say."""
        if not self.count:
            return ""
        if 2 * self.count > self.of:
            return (
                f"{self.count} of {self.of} test images look the same as a train image to this"
                f" encoder (cosine {NEAR} or more): it cannot tell near-duplicates"
            )
        ours, theirs = self.examples[0]
        return (
            f"{self.count} of {self.of} test images look the same as a train image (cosine"
            f" {NEAR} or more), first {ours} as {theirs}; scores may be too good"
        )

    def to_dict(self) -> dict[str, object]:
        """All of it, as JSON can hold it."""
        return {"count": self.count, "of": self.of, "cosine": NEAR, "examples": self.examples}


def near_duplicates(train: Embeddings, test: Embeddings, shown: int = 5) -> NearDuplicates:
    """Count test images whose cosine with some train image is 0.99 or more.

    Features are standardised by train first: in a space where all vectors point the same way
    any two images would pass.

    Args:
        train: of the same encoder; finite.
        test: finite.
        shown: examples at most, the most similar first.
    """
    rows, cosines = most_similar(train, test)
    near = np.flatnonzero(cosines >= NEAR)
    closest = near[np.argsort(-cosines[near], kind="stable")][:shown]
    return NearDuplicates(
        count=len(near),
        of=len(test),
        examples=tuple(
            (str(test.keys[int(row)]), str(train.keys[int(rows[row])])) for row in closest
        ),
    )


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
