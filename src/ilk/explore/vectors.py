"""Rows of vectors that may lie on a disk. Axes: N images, M of them, S sampled, D features."""

from typing import Any

import numpy as np
from jaxtyping import Float32, Int64

BLOCK = 8192  # rows in memory as float32 at once
SEED = 0


def as_floats(vectors: Any, rows: Int64[np.ndarray, " M"]) -> Float32[np.ndarray, "M D"]:
    """Some rows as float32."""
    return np.asarray(vectors[rows], np.float32)


def sample(rows: Int64[np.ndarray, " M"], most: int) -> Int64[np.ndarray, " S"]:
    """So many rows, drawn at random with a fixed seed; all where there are no more."""
    if len(rows) <= most:
        return rows
    return np.random.default_rng(SEED).choice(rows, most, replace=False)
