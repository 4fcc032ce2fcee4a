"""Embeddings of easy, hard and broken kinds."""

from collections.abc import Callable

import numpy as np
import pyarrow as pa
import pytest

from ilk.embedding import Embeddings

NAMES = ("ant", "bee", "cat", "dog")


def make(
    vectors: np.ndarray,
    labels: np.ndarray,
    data: str,
    classes: tuple[str, ...] = NAMES,
    encoder: str = "c0de",
) -> Embeddings:
    return Embeddings(
        vectors=vectors.astype(np.float32),
        labels=np.asarray(labels, np.int64),
        keys=pa.array([f"{data}/{row}" for row in range(len(labels))], pa.large_string()),
        classes=classes,
        encoder=encoder,
        data=data,
    )


def make_pair(
    *, n_train: int = 400, n_test: int = 300, dim: int = 12, signal: float = 1.0, seed: int = 0
) -> tuple[Embeddings, Embeddings]:
    """Four overlapping clouds of features with very different variances."""
    rng = np.random.default_rng(seed)
    centres = signal * rng.normal(size=(4, dim))
    labels = rng.permutation(np.arange(n_train + n_test) % 4)
    noise = rng.normal(size=(len(labels), dim)) * np.logspace(0, -1, dim)
    vectors = (centres[labels] * np.logspace(0, -1, dim) + noise) @ rng.normal(size=(dim, dim))
    train = make(vectors[:n_train], labels[:n_train], "train")
    return train, make(vectors[n_train:], labels[n_train:], "test")


@pytest.fixture
def embeddings() -> Callable[..., Embeddings]:
    return make


@pytest.fixture
def pair() -> Callable[..., tuple[Embeddings, Embeddings]]:
    return make_pair
