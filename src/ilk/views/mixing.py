"""Mixup, CutMix and their kind for a whole batch, with what each mixed image is made of.

Which share, which partner and where a box lies are drawn on the host as pure functions of
(seed, epoch, item) and (seed, step); pixels are mixed on the device without waiting for it.
Axes: B images, R mixed images, C channels, d spatial axes: of windows, images or clips.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float, Float64, Int
from scipy import special
from torch import Tensor

from ilk.core import Composition
from ilk.core.seeding import uniform, uniforms
from ilk.views.pasting import (
    box_share,
    box_sides,
    box_starts,
    boxes_about,
    cutmix,
    cutout,
    mixup,
    resizemix,
)
from ilk.views.peaks import peaks
from ilk.views.per_image import blends, collages, on_host

FEWEST_RATIOS = 8  # a coarser snap would leave too few different shares
HOLE = 1 / 2  # of the sides of an image: 16 of 32 pixels, as Cutout has them for CIFAR-10
Strategy = Literal["mixup", "cutmix", "resizemix", "cutout", "saliencymix"]


@dataclass(frozen=True, slots=True)
class Draw:
    """What chance decided for one batch; its views may share it, except where boxes lie.

    Args:
        strategy: how images are mixed.
        share: of the first image, as wanted; boxes of whole pixels come close to it.
        rows: which image of the batch is the first.
        partners: which image of the batch is the second.
        items: of the whole batch.
        seed: of the run.
        epoch: of the run.
        snap: side ratios of boxes are multiples of its inverse; 0 is any ratio.
        step: of the run, where one box serves the whole batch; None where each image has its
            own.
    """

    strategy: Strategy
    share: Float64[np.ndarray, " R"]
    rows: Int[np.ndarray, " R"]
    partners: Int[np.ndarray, " R"]
    items: Int[np.ndarray, " B"]
    seed: int
    epoch: int
    snap: int = 0
    step: int | None = None


@dataclass(frozen=True, slots=True)
class Mixed:
    """Mixed images.

    Args:
        images: of the kind that came in.
        composition: sources are items.
        share: of the first image, counted in pixels.
    """

    images: Float[Tensor, "R C *spatial"]
    composition: Composition
    share: Float[Tensor, " R"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Mixing:
    """How images of a batch are mixed; the defaults are those of SDMP.

    SDMP, Ren et al., CVPR 2022, https://arxiv.org/abs/2206.07692, section 3: a strategy per
    batch, a share per image, the reversed batch as partners. A last image without a partner
    of its own is mixed with itself.

    Args:
        strategies: one is chosen for each step, all with the same chance. "mixup" blends (Zhang
            et al., ICLR 2018). "cutmix" pastes a box of the second image (Yun et al., ICCV
            2019), "saliencymix" one about the pixel in it that stands out most (Uddin et al.,
            ICLR 2021, https://arxiv.org/abs/2006.01791), "resizemix" all of it made small (Qin
            et al., 2020). "cutout" hides a box of half the sides and mixes nothing: an image
            stays its own (DeVries and Taylor, 2017, https://arxiv.org/abs/1708.04552).
        alpha: shares are Beta(alpha, alpha); ResizeMix takes 0.1 + 0.8 of it.
        per_sample: a share and a box for each image, or one for the step (Un-Mix).
        per_view: shares and shuffled partners for each view (i-Mix, MixCo), or the same for
            all.
        partner: "reversed" mixes i with B-1-i; "shuffled" with a random permutation (i-Mix);
            "halves" mixes the first half with the second, which gives half as many (MixCo).
        fold: the first image always has the larger share (i-Mix).
        lowest: shares are squeezed into the range from here to 1 (DACL).
        snap: sides of boxes are k / snap of the view, so that views whose sizes it divides have
            the very same shares; 0 is any side.
        resizemix_scale: draw ResizeMix's side ratio uniformly from this range instead
            (Qin et al., 2020, https://arxiv.org/abs/2012.11101); of two axes.
        groups: partners are found inside consecutive groups of the batch, as by so many ranks.
    """

    strategies: tuple[Strategy, ...] = ("mixup", "cutmix", "resizemix")
    alpha: float = 1.0
    per_sample: bool = True
    per_view: bool = False
    partner: Literal["reversed", "shuffled", "halves"] = "reversed"
    fold: bool = False
    lowest: float = 0.0
    snap: int = 0
    resizemix_scale: tuple[float, float] | None = None
    groups: int = 1

    def draw(
        self, items: Int[np.ndarray, " B"], *, epoch: int, step: int, seed: int, view: str = ""
    ) -> Draw:
        """Decide for one view of a batch.

        Args:
            items: index of each image in its data set.
            epoch: shares and boxes are functions of (seed, epoch, item).
            step: strategy and shuffled partners are functions of (seed, step).
            seed: of the run.
            view: its name; without ``per_view`` all views have the same draw.

        Raises:
            ValueError: the groups do not divide the batch.
        """
        own = f"/{view}" if self.per_view else ""
        choice = int(uniform(seed, step, "mix/strategy") * len(self.strategies))
        rows, partners = self._pairs(len(items), step, seed, f"mix/partner{own}")
        if self.per_sample:
            chance = uniforms(seed, epoch, items[rows], f"mix/lambda{own}", 1)[:, 0]
        else:
            chance = np.full(len(rows), uniform(seed, step, f"mix/lambda{own}"))
        strategy = self.strategies[choice]
        share = self._shares(strategy, chance)
        if strategy == "cutout":
            partners = rows
        common = None if self.per_sample else step
        return Draw(strategy, share, rows, partners, items, seed, epoch, self.snap, common)

    def _shares(
        self, strategy: Strategy, chance: Float64[np.ndarray, " R"]
    ) -> Float64[np.ndarray, " R"]:
        if strategy == "cutout":
            return np.ones_like(chance)
        if strategy == "resizemix" and self.resizemix_scale is not None:
            low, high = self.resizemix_scale
            share = 1 - (low + (high - low) * chance) ** 2
        else:
            share = beta_shares(chance, self.alpha)
            if strategy == "resizemix":
                share = 0.1 + 0.8 * share
        share = self.lowest + (1 - self.lowest) * share
        return np.maximum(share, 1 - share) if self.fold else share

    def _pairs(
        self, count: int, step: int, seed: int, stream: str
    ) -> tuple[np.ndarray, np.ndarray]:
        size, rest = divmod(count, self.groups)
        if rest:
            raise ValueError(
                f"Mixing: groups must divide the batch, got {self.groups} for {count}"
            )
        rows = np.arange(size)
        if self.partner == "reversed":
            partners = rows[::-1]
        elif self.partner == "shuffled":
            partners = uniforms(seed, step, rows, stream, 1)[:, 0].argsort()
        else:
            rows, partners = rows[: size // 2], rows[: size // 2] + size // 2
        starts = np.arange(self.groups)[:, None] * size
        return (starts + rows).reshape(-1), (starts + partners).reshape(-1)


def common_snap(sizes: Iterable[int]) -> int:
    """The finest ``snap`` that gives views of these sides the same shares: 32 for 224 and 96.

    0, any side, where all views have one size or their sides have too little in common.

    Example:
        >>> common_snap([224, 96])
        32
    """
    sides = set(sizes)
    snap = math.gcd(*sides)
    return snap if len(sides) > 1 and snap >= FEWEST_RATIOS else 0


def mix(images: Float[Tensor, "B C *spatial"], draw: Draw, *, view: str) -> Mixed:
    """Mix one view of a batch; the input is not changed.

    Args:
        images: of any size; all sizes get the share that was drawn, up to whole pixels.
        draw: of this view.
        view: boxes lie elsewhere in a view of another name.
    """
    mixed, share = mix_pixels(images, draw, view=view)
    first, second = (send(draw.items[chosen], images) for chosen in (draw.rows, draw.partners))
    return Mixed(mixed, Composition.mixed(first, second, share), share)


def mix_pixels(
    images: Float[Tensor, "B C *spatial"], draw: Draw, *, view: str
) -> tuple[Float[Tensor, "R C *spatial"], Float[Tensor, " R"]]:
    """As `mix`: the mixed images, and the share of the first of both, counted in pixels."""
    if draw.strategy == "mixup":
        share = _share(draw.share, images)
        if on_host(images):
            mixed = blends(images, draw.rows, draw.partners, draw.share)
        else:
            mixed = mixup(*_pairs_of(images, draw), share)
    elif draw.strategy == "cutout":
        share = _share(draw.share, images)
        first, _ = _pairs_of(images, draw)
        mixed = cutout(first, *_holes(draw, first, view))
    else:
        mixed, share = _pasted(images, draw, view)
    return mixed, share


def _pasted(
    images: Float[Tensor, "B C *spatial"], draw: Draw, view: str
) -> tuple[Float[Tensor, "R C *spatial"], Float[Tensor, " R"]]:
    """A box of the second image in the first one."""
    sizes = images.shape[2:]
    sides = box_sides(draw.share, sizes, snap=draw.snap)
    share, resized = _share(box_share(sides, sizes), images), draw.strategy == "resizemix"
    if draw.strategy == "saliencymix":
        _, second = _pairs_of(images, draw)
        starts = boxes_about(peaks(second), send(sides, images), sizes)
    else:
        starts = torch.from_numpy(box_starts(_chance(draw, len(sizes), view), sides, sizes))
    if on_host(images):
        lies = starts.numpy(), sides
        return collages(images, draw.rows, draw.partners, *lies, resized=resized), share
    paste = resizemix if resized else cutmix
    return paste(*_pairs_of(images, draw), _sent(starts, images), send(sides, images)), share


def _holes(draw: Draw, images: Tensor, view: str) -> tuple[Tensor, Tensor]:
    """Boxes about any pixel, of which only a part may lie inside."""
    sizes = np.array(images.shape[2:])
    centres = (_chance(draw, len(sizes), view) * sizes).astype(np.int64)
    sides = np.maximum(np.rint(HOLE * sizes), 1).astype(np.int64)
    return send(centres - sides // 2, images), send(
        np.broadcast_to(sides, centres.shape), images
    )


def _pairs_of(images: Tensor, draw: Draw) -> tuple[Tensor, Tensor]:
    """First and second images."""
    everyone = np.array_equal(draw.rows, np.arange(len(images)))
    first = images if everyone else images.index_select(0, send(draw.rows, images))
    return first, images.index_select(0, send(draw.partners, images))


def _chance(draw: Draw, axes: int, view: str) -> Float64[np.ndarray, "R d"]:
    """Where the box of each row lies; the same place where one serves the whole batch."""
    items, when = draw.items[draw.rows], draw.epoch
    if draw.step is not None:
        items, when = np.zeros_like(items), draw.step
    return uniforms(draw.seed, when, items, f"mix/box/{view}", axes)


def beta_shares(chance: Float64[np.ndarray, " R"], alpha: float) -> Float64[np.ndarray, " R"]:
    """Uniform numbers turned into Beta(alpha, alpha) ones."""
    return chance if alpha == 1 else special.betaincinv(alpha, alpha, chance)


def _share(share: Float64[np.ndarray, " R"], images: Tensor) -> Float[Tensor, " R"]:
    """On the device, in single precision unless the pixels are double."""
    double = images.dtype == torch.float64
    return send(share if double else share.astype(np.float32), images)


def send(array: np.ndarray, images: Tensor) -> Tensor:
    """A small array on the device of the images; the host does not wait for the copy."""
    return _sent(torch.from_numpy(array.copy()), images)


def _sent(tensor: Tensor, images: Tensor) -> Tensor:
    if images.device.type == "cuda" and tensor.device.type == "cpu":
        tensor = tensor.pin_memory()
    return tensor.to(images.device, non_blocking=True)
