"""From what a backbone shows back to pixels; thrown away once it has learned.

Axes: B images, N places, V visible ones, D features, M patches of P values.
"""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from ilk.core import Mask
from ilk.core.patches import cut_patches
from ilk.networks.masked import spread
from ilk.networks.surgery import check_width, sincos_positions

START = 4  # pixels: from this side on a decoder doubles, where the image divides so
LARGEST_START = 16  # a larger odd side is half of an even one, less a row and a column


class TokenDecoder(nn.Module):
    """A small transformer over visible tokens and mask tokens in the place of hidden ones.

    MAE, He et al., CVPR 2022, section 3 and appendix A.1: fixed sin-cos positions, blocks, a
    norm, a linear layer. Tokens of no place stand first and are dropped at the end.

    Args:
        width: the width of the tokens that it is given.
        values: P, of a patch.
        dim: width of the decoder, a multiple of 4 and of its heads.
        depth: blocks.
        heads: the number of heads of each block.

    Raises:
        UserError: the width is no multiple of 4 and of the heads.
    """

    def __init__(self, width: int, values: int, *, dim: int, depth: int, heads: int) -> None:
        super().__init__()
        from timm.models.vision_transformer import Block

        check_width("decoder", dim, heads)
        self.embed = nn.Linear(width, dim)
        self.mask_token = nn.Parameter(torch.zeros(dim))
        self.blocks = nn.Sequential(*(Block(dim, heads, qkv_bias=True) for _ in range(depth)))
        self.norm = nn.LayerNorm(dim, eps=1e-6)
        self.predict = nn.Linear(dim, values)
        nn.init.normal_(self.mask_token, std=0.02)
        for layer in self.modules():
            if isinstance(layer, nn.Linear):
                nn.init.xavier_uniform_(layer.weight)
                nn.init.zeros_(layer.bias)

    def forward(
        self, sequence: Float[Tensor, "B V D"], mask: Mask | None
    ) -> Float[Tensor, "B N P"]:
        """The values of every patch, hidden or not.

        Args:
            sequence: tokens of no place, then those of visible patches.
            mask: the mask of the grid of patches; it must hide something.
        """
        assert mask is not None, "a decoder needs a mask"
        rows, columns = mask.grid
        shown = self.embed(sequence)
        prefix = shown.shape[1] - mask.shown_cells().shape[1]
        positions = sincos_positions(rows, columns, shown.shape[2]).to(shown)
        tokens = self._in_place(shown[:, prefix:], mask) + positions
        decoded = self.norm(self.blocks(torch.cat([shown[:, :prefix], tokens], dim=1)))
        return self.predict(decoded[:, prefix:])

    def _in_place(self, visible: Tensor, mask: Mask) -> Tensor:
        """All places by raster: each visible token in its own, the mask token in the others."""
        hidden = mask.hidden.flatten(1)
        number = ((~hidden).cumsum(dim=1) - 1).clamp(min=0)
        placed = visible.gather(1, number[..., None].expand(-1, -1, visible.shape[2]))
        return torch.where(hidden[..., None], self.mask_token.to(placed), placed)


class Enlarge(nn.Module):
    """Each place becomes a square of places by a linear layer; pixel shuffle lays them out.

    SimMIM, Xie et al., CVPR 2022: a 1x1 convolution and a shuffle.

    Args:
        width: the width of a place.
        channels: the number of channels of a place that comes out.
        times: side of the square.
    """

    def __init__(self, width: int, channels: int, times: int) -> None:
        super().__init__()
        self.times = times
        self.predict = nn.Linear(width, channels * times**2)

    def forward(self, shown: Float[Tensor, "B D h w"]) -> Float[Tensor, "B C H W"]:
        """A finer map."""
        # A linear layer, since convolutions of few outputs forbid the fastest layout.
        rows = self.predict(shown.permute(0, 2, 3, 1))
        return F.pixel_shuffle(rows.permute(0, 3, 1, 2), self.times)


class ImageDecoder(nn.Module):
    """From one vector to an image: a small map, then convolutions that double it.

    Args:
        width: the width of the vector.
        channels: the number of channels of the image.
        size: its side in pixels.
        hidden: width between the layers.
    """

    def __init__(self, width: int, channels: int, size: int, *, hidden: int = 64) -> None:
        super().__init__()
        sides = [size]
        while sides[-1] > START and (sides[-1] % 2 == 0 or sides[-1] > LARGEST_START):
            sides.append(-(-sides[-1] // 2))
        self.side = sides.pop()
        self.first = nn.Linear(width, hidden * self.side**2)
        layers: list[nn.Module] = [nn.BatchNorm2d(hidden), nn.ReLU(inplace=True)]
        for side in reversed(sides):
            layers += [
                nn.Upsample(size=(side, side)),
                nn.Conv2d(hidden, hidden, 3, padding=1, bias=False),
                nn.BatchNorm2d(hidden),
                nn.ReLU(inplace=True),
            ]
        self.layers = nn.Sequential(*layers)
        self.last = Enlarge(hidden, channels, 1)

    def forward(self, rows: Float[Tensor, "B D"]) -> Float[Tensor, "B C S S"]:
        """Images in the units of normalised pixels."""
        small = self.first(rows).unflatten(1, (-1, self.side, self.side))
        return self.last(self.layers(small))


class CutPatches(nn.Module):
    """Patches of a decoded image, as `ilk.method.Patches` are cut; has no weights.

    Args:
        side: the side of a patch in pixels.
    """

    def __init__(self, side: int) -> None:
        super().__init__()
        self.side = side

    def forward(self, images: Float[Tensor, "B C H W"]) -> Float[Tensor, "B M P"]:
        """A row for each patch."""
        return cut_patches(images, self.side)


class Critic(nn.Module):
    """Tells images from those whose hidden part was drawn: two places, each with two scores.

    Goodfellow et al., NeurIPS 2014, in the part that it has in context encoders, Pathak et al.,
    CVPR 2016, Eq. 2. Place 0 is the image, place 1 the image with what was drawn.

    Args:
        channels: the number of channels of images.
        hidden: width of the first of three convolutions, doubled by each of the others.
    """

    def __init__(self, channels: int, hidden: int = 32) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        before = channels
        for width in (hidden, 2 * hidden, 4 * hidden):
            layers += [nn.Conv2d(before, width, 4, stride=2, padding=1), nn.LeakyReLU(0.2)]
            before = width
        self.body = nn.Sequential(*layers)
        self.scores = nn.Linear(before, 2)

    def forward(
        self,
        drawn: Float[Tensor, "B C S S"],
        mask: Mask | None,
        images: Float[Tensor, "B C S S"],
    ) -> Float[Tensor, "B 2 2"]:
        """Scores of both; the drawing alone has a gradient."""
        assert mask is not None, "a critic needs a mask"
        hidden = spread(mask.hidden, (images.shape[2], images.shape[3]))[:, None]
        both = torch.stack([images, torch.where(hidden, drawn, images)], dim=1)
        places = self.body(both.flatten(0, 1)).mean(dim=(2, 3))
        return self.scores(places).unflatten(0, both.shape[:2])


class Posterior(nn.Module):
    """A draw from a normal distribution, of which mean and logarithmic variance are given.

    Kingma and Welling, ICLR 2014, https://arxiv.org/abs/1312.6114, section 2.4. In evaluation
    it is the mean.

    Args:
        noise: what deviations are multiplied by; 0 draws nothing.
    """

    def __init__(self, noise: float = 1.0) -> None:
        super().__init__()
        self.noise = noise

    def forward(self, given: Float[Tensor, "B D2"]) -> Float[Tensor, "B D"]:
        """The first half of the columns is the mean, the second the logarithmic variance."""
        mean, log_variance = given.chunk(2, dim=1)
        if not self.training or self.noise == 0:
            return mean
        return mean + self.noise * (log_variance / 2).exp() * torch.randn_like(mean)
