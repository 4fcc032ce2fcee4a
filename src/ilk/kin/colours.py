"""Colours as classes. Axes: B images, Q queries, K bins."""

import math
from functools import lru_cache
from typing import ClassVar

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from ilk.core import Kin, Rows, StepContext, UserError, ViewName, full
from ilk.kin.algebra import decides_kin

STEP = 10.0  # of the grid of a and b
CHROMA = 7.5  # what chroma falls off by: half of its mean over CIFAR-10
LEAST = 5.0  # chroma of a pixel that has a colour
SAMPLES = 33  # of each primary, of which the colours that exist are found
# From linear sRGB to XYZ, and the white of D65: IEC 61966-2-1.
_XYZ = (
    (0.4124564, 0.3575761, 0.1804375),
    (0.2126729, 0.7151522, 0.0721750),
    (0.0193339, 0.1191920, 0.9503041),
)
_WHITE = (0.95047, 1.0, 1.08883)
_EDGE, _SLOPE = (6 / 29) ** 3, (29 / 6) ** 2 / 3


def lab(pixels: Float[Tensor, "B 3 H W"]) -> Float[Tensor, "B 3 H W"]:
    """Lightness in [0, 100] and a, b of CIE L*a*b* for sRGB in [0, 1], under D65.

    Example:
        >>> red = torch.tensor([1.0, 0, 0]).view(1, 3, 1, 1)
        >>> [round(float(x), 1) for x in lab(red).flatten()]
        [53.2, 80.1, 67.2]
    """
    clear = pixels.clamp(0, 1)
    linear = torch.where(clear <= 0.04045, clear / 12.92, ((clear + 0.055) / 1.055) ** 2.4)
    xyz = torch.einsum("rc,bchw->brhw", linear.new_tensor(_XYZ), linear)
    shares = xyz / linear.new_tensor(_WHITE).view(-1, 1, 1)
    roots = torch.where(
        shares > _EDGE, shares.clamp(min=_EDGE) ** (1 / 3), _SLOPE * shares + 4 / 29
    )
    x, y, z = roots.unbind(dim=1)
    return torch.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], dim=1)


@lru_cache
def colour_bins() -> Float[Tensor, "K 2"]:
    """Centres of the squares of 10 by 10 in a and b in which there are colours of sRGB."""
    # Methods are also built on no device at all, where nothing can be counted.
    axis = torch.linspace(0, 1, SAMPLES, dtype=torch.float64, device="cpu")
    cube = torch.stack(torch.meshgrid(axis, axis, axis, indexing="ij")).flatten(1)
    ab = lab(cube[None, :, :, None])[0, 1:, :, 0].T
    return (ab / STEP).round().unique(dim=0) * STEP


def class_weights(prior: Float[Tensor, " K"], uniform: float) -> Float[Tensor, " K"]:
    """``1 / ((1 - u) p + u / K)``, of mean one under the prior; zero where the prior is.

    Zhang, Isola and Efros, ECCV 2016, Eq. 4, over the classes that occur.
    """
    known = prior > 0
    mixed = (1 - uniform) * prior + uniform / known.sum()
    weights = torch.where(known, 1 / mixed, 0.0)
    return weights / (weights * prior).sum()


@decides_kin
class OwnColour:
    """The colour of each place as a soft class among bins of a and b.

    Zhang, Isola and Efros, ECCV 2016, https://arxiv.org/abs/1603.08511, section 2: the nearest
    bins by a Gaussian of the distance. Rare colours count more, by ``class_weights`` of their
    nearest bin; the prior is a fixed one of natural images, ``exp(-chroma / 7.5)``. Images
    without any colour have no kin. The queries are places on a square grid.

    Args:
        view: whose colours are asked for.
        nearest: bins that share a colour.
        deviation: of the Gaussian, in units of a and b.
        uniform: share of the uniform distribution in the prior.

    Raises:
        UserError: there are not so many bins.
    """

    view: ViewName
    nearest: int = 5
    deviation: float = 5.0
    uniform: float = 0.5

    unmixable: ClassVar[str] = "a place of a mixed image has the colour of neither image"

    def __post_init__(self) -> None:
        bins = len(colour_bins())
        if not 1 <= self.nearest <= bins:
            raise UserError(f"colours: nearest must be 1 to {bins} bins, got {self.nearest}")

    def __call__(self, queries: Rows, candidates: Rows, context: StepContext) -> Kin:
        """Weights over bins, and how much each place counts."""
        ab = lab(full(context.pixels(self.view)))[:, 1:]
        side = math.isqrt(len(queries) // len(ab))
        places = F.adaptive_avg_pool2d(ab, side).flatten(2).transpose(1, 2).flatten(0, 1)
        bins = colour_bins().to(places)
        apart, near = torch.cdist(places, bins).topk(self.nearest, largest=False)
        close = (-apart.square() / (2 * self.deviation**2)).softmax(dim=1)
        weights = places.new_zeros(len(places), len(bins)).scatter(1, near, close)
        prior = (-bins.norm(dim=1) / CHROMA).softmax(dim=0)
        rarity = class_weights(prior, self.uniform)[near[:, 0]]
        coloured = ab.abs().flatten(1).amax(dim=1) > LEAST
        kept = coloured.repeat_interleave(side**2)[:, None]
        return Kin(weights * kept, importance=rarity)
