"""A small encoder and a source of arrays whose vectors are known by arithmetic."""

from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Lock

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from ilk.data import BadItem
from ilk.networks import Encoder


class Means(nn.Module):
    """Mean of each channel, times a weight; counts its calls."""

    def __init__(self, weight: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor(weight))
        self.norm = nn.BatchNorm1d(3, affine=False)
        self.calls = 0

    def forward(self, batch: Tensor) -> Tensor:
        assert not torch.is_grad_enabled()
        self.calls += 1
        return self.norm(batch.mean((2, 3)) * self.weight)


@dataclass
class Arrays:
    """Item i is a flat image of colour (i, 2 i, 255 - i) mod 256; some are bad."""

    count: int = 10
    bad: frozenset[int] = frozenset()
    classes: tuple[str, ...] = ("cat", "dog")
    name: str = "arrays"
    fingerprint: str = "f00d"
    read: list[int] = field(default_factory=list)
    stop_at: int | None = None
    _lock: Lock = field(default_factory=Lock)

    def __len__(self) -> int:
        return self.count

    def item(self, index: int) -> np.ndarray:
        with self._lock:
            self.read.append(index)
        if index == self.stop_at:
            raise KeyboardInterrupt
        if index in self.bad:
            raise BadItem("truncated: half of it is missing")
        return np.full((5 + index % 3, 6, 3), colour(index), np.uint8)

    def label(self, index: int) -> int:
        if not self.classes or index % 5 == 4:
            return -1
        return index % len(self.classes)

    def key(self, index: int) -> str:
        return f"images/{index}.png"


def colour(index: int) -> tuple[int, int, int]:
    return index % 256, 2 * index % 256, (255 - index) % 256


def make_encoder(weight: float = 1.0, fingerprint: str = "c0de") -> Encoder:
    return Encoder(
        module=Means(weight).eval(), name="means", options={}, image_size=4, channels=3,
        mean=(0.0,), std=(1.0,), feature_dim=3, fingerprint=fingerprint,
    )  # fmt: skip


@pytest.fixture
def encoder() -> Callable[..., Encoder]:
    return make_encoder


@pytest.fixture
def arrays() -> type[Arrays]:
    return Arrays


@pytest.fixture
def colours() -> Callable[[list[int]], np.ndarray]:
    """What the encoder of weight 1 says of items."""
    scale = (1 + 1e-5) ** -0.5  # of the batch normalisation, at its initial statistics
    return lambda items: np.array([colour(i) for i in items], np.float32) / 255 * scale
