"""Views that are corrupted, so that what they were is to be found. Axes: R rows, C channels."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from ilk.core import UserError, hash_uniform
from ilk.views.derived import Chance, ViewRows

LUMA = (0.299, 0.587, 0.114)  # of red, green and blue in brightness: ITU-R BT.601
_BITS = 32  # numbers of values in an image stay below 2 to this


@dataclass(frozen=True, kw_only=True, slots=True)
class NoisyView:
    """A view with normal noise on every value, some pixels of which are erased.

    Vincent et al., JMLR 2010, section 3.3. Noise depends on the image's number, the epoch and
    the place alone, so it is the same in whichever rank or row.

    Args:
        name: the name of the noisy view.
        view: that is corrupted.
        noise: standard deviation, in those of the data's channels.
        erased: share of the pixels, all channels of which become the data's mean.
    """

    name: str
    view: str
    noise: float = 0.5
    erased: float = 0.0

    unmixable: ClassVar[str] = ""

    @property
    def names(self) -> tuple[str, ...]:
        """The one view."""
        return (self.name,)

    @property
    def of(self) -> tuple[str, ...]:
        """The one view that is corrupted."""
        return (self.view,)

    def __call__(self, views: Mapping[str, ViewRows], chance: Chance) -> dict[str, ViewRows]:
        """The rows of the view with noise."""
        shown = views[self.view]
        images = shown.images
        rows = shown.facts.composition.sources[:, 0]
        block = torch.arange(len(rows), device=rows.device) // len(chance.items)
        firsts = (rows * shown.facts.blocks + block) << _BITS

        def draws(what: str, count: int) -> Float[Tensor, "R count"]:
            numbers = firsts[:, None] + torch.arange(count, device=rows.device)
            stream = f"noise/{self.name}/{what}"
            return hash_uniform(numbers, seed=chance.seed, step=chance.epoch, name=stream)

        count = images[0].numel()
        radius = (-2 * (1 - draws("radius", count)).log()).sqrt()  # Box and Muller, 1958
        drawn = radius * (2 * math.pi * draws("angle", count)).cos()
        noisy = images + self.noise * drawn.view(images.shape).to(images)
        if self.erased > 0:
            places = draws("erased", images[0, 0].numel()).view(
                len(images), 1, *images.shape[2:]
            )
            noisy = noisy.masked_fill(places < self.erased, 0.0)
        return {self.name: replace(shown, images=noisy)}


@dataclass(frozen=True, kw_only=True, slots=True)
class GreyView:
    """A view without its colours: the brightness of each pixel in all three channels.

    Args:
        name: the name of the grey view.
        view: whose colours are lost.
    """

    name: str
    view: str

    unmixable: ClassVar[str] = ""

    @property
    def names(self) -> tuple[str, ...]:
        """The one view."""
        return (self.name,)

    @property
    def of(self) -> tuple[str, ...]:
        """The one view that loses its colours."""
        return (self.view,)

    def __call__(self, views: Mapping[str, ViewRows], chance: Chance) -> dict[str, ViewRows]:
        """The same rows in grey.

        Raises:
            UserError: images have other channels than red, green and blue.
        """
        shown = views[self.view]
        if shown.images.shape[1] != len(LUMA) or shown.statistics is None:
            raise UserError(
                f"view {self.name}: images must have three channels, red, green and blue, got "
                f"{shown.images.shape[1]}"
            )
        mean, std = (shown.images.new_tensor(s).view(-1, 1, 1) for s in shown.statistics)
        weights = shown.images.new_tensor(LUMA).view(-1, 1, 1)
        grey = ((shown.images * std + mean) * weights).sum(dim=1, keepdim=True)
        return {self.name: replace(shown, images=(grey - mean) / std)}
