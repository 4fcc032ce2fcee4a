"""The vectors of a set of images. Axes: N images that could be read, D features."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from jaxtyping import Float32, Int64, UInt64

from ilk.data import Bad


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Embeddings:
    """The vectors of a source under an encoder, in the order of the source.

    Args:
        vectors: one row an image.
        labels: position in ``classes``; -1 when not known.
        keys: path or id of every row; one Arrow array of large strings.
        classes: names; empty when nothing is labelled.
        encoder: fingerprint of the encoder.
        data: fingerprint of the source.
        bad: items of the source that have no row.
        contents: a 64-bit digest of the bytes of every item; None where it is not known.
        unlabelled_because: why rows have no label, as the source says; empty if none lacks one.
    """

    vectors: Float32[np.ndarray, "N D"]
    labels: Int64[np.ndarray, " N"]
    keys: pa.Array
    classes: tuple[str, ...]
    encoder: str
    data: str
    bad: tuple[Bad, ...] = ()
    contents: UInt64[np.ndarray, " N"] | None = None
    unlabelled_because: str = ""

    def __len__(self) -> int:
        """N, the number of rows."""
        return len(self.vectors)
