"""Vectors of a source whose images need not all be readable. Axes: N images, D features."""

import warnings
from collections.abc import Callable
from typing import Literal

import numpy as np
from jaxtyping import Float32, Int64

from ilk.core import UserError
from ilk.data import Bad, Source
from ilk.embedding.batches import embed_batches
from ilk.embedding.checks import all_finite
from ilk.networks import FEATURE, Encoder, Field, field_shape

OnBad = Literal["skip", "nan", "error"]


def embed_readable(
    encoder: Encoder,
    source: Source,
    bad: OnBad,
    *,
    title: str,
    device: str = "auto",
    progress: Callable[[int, int], None] | None = None,
    field: Field = FEATURE,
) -> tuple[Float32[np.ndarray, "rows ..."], Int64[np.ndarray, " kept"]]:
    """Vectors in order, and the positions of the images that could be read, none or more.

    A warning gives the number of those that could not.

    Args:
        encoder: stays as it is.
        source: of images.
        bad: what becomes of an image that cannot be read: ``skip`` leaves it out, ``nan`` gives
            it a row of NaN, ``error`` refuses it.
        title: of what is done, in front of messages.
        device: as for ``embed``.
        progress: as for ``embed``.
        field: what of the images, as in `ilk.networks.showing`.

    Raises:
        UserError: a vector has NaN or infinity, or an image cannot be read where ``bad`` is
            ``error``.
    """
    shape = field_shape(encoder, field)
    vectors = [np.empty((0, *shape), np.float32)]
    keys: list[str] = []
    lost: list[Bad] = []
    for batch in embed_batches(encoder, source, device=device, field=field):
        vectors.append(batch.vectors)
        keys += batch.keys
        lost += batch.bad
        if progress:
            progress(batch.items.stop, len(source))
    rows = np.concatenate(vectors)
    all_finite(encoder, rows, keys.__getitem__)
    kept = np.setdiff1d(np.arange(len(source)), [entry.index for entry in lost])
    if lost:
        _tell(title, lost, len(source), bad)
    if not lost or bad == "skip":
        return rows, kept
    filled = np.full((len(source), *shape), np.nan, np.float32)
    filled[kept] = rows
    return filled, kept


def _tell(title: str, lost: list[Bad], size: int, bad: OnBad) -> None:
    first = f"{lost[0].key}: {lost[0].reason}"
    if bad == "error":
        raise UserError(
            f"{title}: every image must be readable where bad is 'error', got {len(lost)} of "
            f"{size} that are not; set bad='skip' or bad='nan', or mend or remove them. The "
            f"first: {first}"
        )
    then = "they are left out" if bad == "skip" else "their rows are NaN"
    warnings.warn(
        f"{title}: {len(lost)} of {size} images could not be read, {then}; first {first}",
        stacklevel=4,
    )
