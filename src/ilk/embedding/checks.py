"""What is refused of images and of their vectors. Axes: N rows."""

from collections.abc import Callable, Sequence

import numpy as np
from jaxtyping import Float32

from ilk.core import UserError
from ilk.core.counts import count
from ilk.data import Bad, Source
from ilk.networks import Encoder


def check_batch_size(size: int) -> None:
    """Refuse batches without an item.

    Raises:
        UserError: the size is below 1.
    """
    if size < 1:
        raise UserError(f"batch_size: must be 1 or more, got {size}")


def nothing_readable(source: Source, bad: Sequence[Bad], verb: str = "embed") -> UserError:
    """The error for a source without a single readable item."""
    first = f"; first {bad[0].key}: {bad[0].reason}" if bad else ""
    return UserError(
        f"{verb}: {source.name} must hold images that can be read, got"
        f" {count(len(bad), 'bad item')} and no good one{first}"
    )


def all_finite(
    encoder: Encoder,
    vectors: Float32[np.ndarray, "N ..."],
    key: Callable[[int], str],
    verb: str = "embed",
) -> None:
    """Refuse vectors that no distance can be taken of.

    Args:
        encoder: that they come from.
        vectors: one for each image.
        key: gives the key of the image in a row.
        verb: what the message of an error begins with.

    Raises:
        UserError: one of them has NaN or infinity.
    """
    broken = np.flatnonzero(~np.isfinite(vectors).all(tuple(range(1, vectors.ndim))))
    if not len(broken):
        return
    rows = len(vectors)
    of = f"all {rows}" if len(broken) == rows else f"{len(broken)} of {rows}"
    raise UserError(
        f"{verb}: vectors must be finite, {of} images have NaN or infinity, first"
        f" {key(int(broken[0]))}; the weights of {encoder.name} may be broken, take an"
        f" earlier encoder"
    )
