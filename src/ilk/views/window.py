"""Views of sensor windows. Axes: B windows, C channels, L samples of a window, S of a view."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from jaxtyping import Float32, Int
from scipy.special import ndtri
from torch import Tensor

from ilk.core.items import ItemKind, ItemSubset
from ilk.core.seeding import uniforms
from ilk.views.background import Scenery
from ilk.views.view import require

_LEAST = 2.0**-54  # below every other draw: the normal quantile of 0 is not finite


@dataclass(frozen=True, kw_only=True, slots=True)
class WindowView:
    """A random view of a sensor window: crop, flip in time, scaling and jitter.

    The crop is resampled linearly to ``size``, which also changes the speed. Scaling and jitter
    are those of Um et al., ICMI 2017, https://arxiv.org/abs/1706.00527.

    Args:
        name: name of the view in its method.
        size: number of samples that come out.
        scale: share of the window that is cropped, smallest and largest.
        flip: probability that time runs backwards.
        scaling: standard deviation of the factor of each channel, which is 1 on average.
        jitter: standard deviation of noise at each sample, in standard deviations of its
            channel in the window.
        subset: which items it is made of; other than all, the method must know their labels.

    Raises:
        UserError: a parameter is outside its range.
    """

    kind: ClassVar[ItemKind] = "window"

    name: str
    size: int
    scale: tuple[float, float] = (0.3, 1.0)
    flip: float = 0.5
    scaling: float = 0.1
    jitter: float = 0.05
    subset: ItemSubset = "all"

    def __post_init__(self) -> None:
        low, high = self.scale
        require(self, "size", self.size >= 1, "at least 1")
        require(self, "scale", 0 < low <= high <= 1, "0 < smallest <= largest <= 1")
        require(self, "flip", 0 <= self.flip <= 1, "a probability in [0, 1]")
        require(self, "scaling", self.scaling >= 0, "not negative")
        require(self, "jitter", self.jitter >= 0, "not negative")

    def min_pixels(self) -> None:
        """A window is read whole."""

    def render(
        self,
        images: Sequence[Float32[np.ndarray, "_ _"]],
        items: Int[np.ndarray, " B"],
        epoch: int,
        seed: int,
        scenery: Scenery | None = None,
    ) -> Float32[Tensor, "B C S"]:
        """One view of each window [C, L]; as ``View.render``."""
        channels = len(images[0])
        stream = f"view/{self.name}"
        u = uniforms(seed, epoch, items, stream, 3)
        factors = 1 + self.scaling * _normal(seed, epoch, items, f"{stream}/scaling", channels)
        noise = _normal(seed, epoch, items, f"{stream}/jitter", channels * self.size)
        low, high = self.scale
        made = np.empty((len(images), channels, self.size))
        for row, window in enumerate(images):
            span = max(
                min(window.shape[1], 2), (low + (high - low) * u[row, 0]) * window.shape[1]
            )
            made[row] = _resampled(
                window, u[row, 1] * (window.shape[1] - span), span, self.size
            )
            if u[row, 2] < self.flip:
                made[row] = made[row, :, ::-1]
            made[row] *= factors[row, :, None]
            deviation = window.std(axis=1, dtype=np.float64)[:, None]
            made[row] += self.jitter * deviation * noise[row].reshape(channels, -1)
        return torch.from_numpy(made.astype(np.float32))


@dataclass(frozen=True, kw_only=True, slots=True)
class PlainWindow:
    """The view of a window to measure with: its middle samples, without chance.

    A window with fewer samples is resampled to the size.

    Args:
        size: number of samples that come out.
        name: name of the view.

    Raises:
        UserError: the size is below 1.
    """

    kind: ClassVar[ItemKind] = "window"

    size: int
    name: str = "plain"

    def __post_init__(self) -> None:
        require(self, "size", self.size >= 1, "at least 1")

    @property
    def subset(self) -> ItemSubset:
        """It is made of all items."""
        return "all"

    def min_pixels(self) -> None:
        """A window is read whole."""

    def render(
        self,
        images: Sequence[Float32[np.ndarray, "_ _"]],
        items: Int[np.ndarray, " B"],
        epoch: int = 0,
        seed: int = 0,
        scenery: Scenery | None = None,
    ) -> Float32[Tensor, "B C S"]:
        """The middle of each window [C, L]; as ``View.render``."""
        return torch.from_numpy(np.stack([self._middle(window) for window in images]))

    def _middle(self, window: Float32[np.ndarray, "C L"]) -> Float32[np.ndarray, "C S"]:
        span = min(self.size, window.shape[1])
        start = (window.shape[1] - span) // 2
        return _resampled(window, start, span, self.size).astype(np.float32)


def _resampled(
    window: Float32[np.ndarray, "C L"], start: float, span: float, size: int
) -> np.ndarray:
    """Samples from ``start`` on, spread over ``span`` samples: linear, centres at halves."""
    last = window.shape[1] - 1
    places = np.clip(start + (np.arange(size) + 0.5) * span / size - 0.5, 0, last)
    before = np.floor(places).astype(np.int64)
    share = places - before
    return window[:, before] * (1 - share) + window[:, np.minimum(before + 1, last)] * share


def _normal(
    seed: int, epoch: int, items: Int[np.ndarray, " B"], name: str, draws: int
) -> np.ndarray:
    """Independent standard normal numbers, a row an item."""
    return ndtri(np.maximum(uniforms(seed, epoch, items, name, draws), _LEAST))
