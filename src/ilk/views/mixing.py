"""How a batch is mixed by Mixup, CutMix and their kind: what chance decides.

Which share, which partner and where a box lies are drawn on the host as pure functions of
(seed, epoch, item) and (seed, step). Axes: B images, R mixed images.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float64, Int
from scipy import special

from ilk.core.errors import UserError
from ilk.core.seeding import uniform, uniforms

FEWEST_RATIOS = 8  # a coarser snap would leave too few different shares
MOST_BLOCKS = 4  # powers of two in which PuzzleMix cuts a side
Strategy = Literal["mixup", "cutmix", "resizemix", "cutout", "saliencymix", "puzzlemix"]


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
        blocks: into how many PuzzleMix cuts each side.
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
    blocks: int = 1


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
            et al., 2020). "puzzlemix" chooses for each block which image stands out more there,
            and moves blocks that stand out into place (Kim et al., ICML 2020,
            https://arxiv.org/abs/2009.06962). "cutout" hides a box of half the
            sides and mixes nothing: an image stays its own (DeVries and Taylor, 2017,
            https://arxiv.org/abs/1708.04552).
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

    def __post_init__(self) -> None:
        if not self.strategies or not self.alpha > 0:
            raise UserError(
                f"mix: must have a strategy and an alpha above 0, got {self.strategies} and "
                f"{self.alpha}"
            )

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
        power = 1 + int(MOST_BLOCKS * uniform(seed, step, "mix/blocks"))
        return Draw(
            strategy, share, rows, partners, items, seed, epoch, self.snap, common, 2**power
        )

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


def beta_shares(chance: Float64[np.ndarray, " R"], alpha: float) -> Float64[np.ndarray, " R"]:
    """Uniform numbers turned into Beta(alpha, alpha) ones."""
    return chance if alpha == 1 else special.betaincinv(alpha, alpha, chance)
