"""Heads of methods that compare an image with its places, or its places with one another.

Axes: B images, C channels, N places, D features.
"""

import math

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from ilk.core import UserError, full
from ilk.networks.heads import mlp

NEAR = 0.01  # of the identity, from which a shortcut begins


class ShortcutHead(nn.Module):
    """Two layers beside a linear shortcut that begins near the identity.

    DIM, Hjelm et al., ICLR 2019, https://arxiv.org/abs/1808.06670, appendix A.2: what
    "encode-and-dot-product" embeds global and local features by.

    Args:
        in_dim: width of a row.
        out_dim: width of what comes out, and between the layers.
        layer_norm: whether the sum of both is normalised row by row.

    Raises:
        UserError: there is nothing that it could sit on.
    """

    def __init__(self, in_dim: int, out_dim: int, *, layer_norm: bool = False) -> None:
        super().__init__()
        if in_dim == 0:
            raise UserError(
                "backbone: must show a map half-way through it, which this one does not; take "
                "another, such as resnet18 or vit_small_patch16_224"
            )
        self.layers = mlp(in_dim, out_dim, out_dim, layers=2)
        self.shortcut = nn.Linear(in_dim, out_dim)
        self.norm = nn.LayerNorm(out_dim) if layer_norm else nn.Identity()
        with torch.no_grad():
            nn.init.uniform_(self.shortcut.weight, -NEAR, NEAR).fill_diagonal_(1.0)

    def forward(self, rows: Float[Tensor, "N C"]) -> Float[Tensor, "N D"]:
        """The sum of both ways."""
        return self.norm(self.layers(rows) + self.shortcut(rows))


class FewerPlaces(nn.Module):
    """A map of at most so many places a side: means of equal squares, where it has more.

    Args:
        side: the most places of a side.
    """

    def __init__(self, side: int) -> None:
        super().__init__()
        self.side = side

    def left(self, places: int) -> int:
        """How many places of a side are left."""
        return math.ceil(places / math.ceil(places / self.side))

    def forward(self, shown: Float[Tensor, "B C H W"]) -> Float[Tensor, "B C h w"]:
        """The coarser map; squares at the lower and right border may be smaller."""
        square = math.ceil(max(shown.shape[2:]) / self.side)
        if square == 1:
            return shown
        return F.avg_pool2d(shown, square, ceil_mode=True, count_include_pad=False)


class DrawnPlace(nn.Module):
    """One place of each image, drawn in every call: [B, N, D] to [B, D].

    Each process draws for itself, as of dropout.
    """

    def forward(self, shown: Float[Tensor, "B N D"]) -> Float[Tensor, "B D"]:
        """All places are equally likely."""
        images = torch.arange(len(shown), device=shown.device)
        return shown[images, torch.randint(shown.shape[1], (len(shown),), device=shown.device)]


class UniformCritic(nn.Module):
    """Tells codes from draws of a uniform variable: two places, each with two scores.

    DIM, Hjelm et al., ICLR 2019, https://arxiv.org/abs/1808.06670, Eq. 7, after adversarial
    autoencoders. Place 0 is a draw, place 1 the sigmoid of the code. Each process draws for
    itself, as of dropout.

    Args:
        dim: D, of the code.
        hidden: width of the first of two hidden layers; the second has a fifth of it.
    """

    def __init__(self, dim: int, hidden: int = 1000) -> None:
        super().__init__()
        least = max(hidden // 5, 2)
        self.body = nn.Sequential(
            nn.Linear(dim, hidden), nn.ReLU(), nn.Linear(hidden, least), nn.ReLU()
        )
        self.scores = nn.Linear(least, 2)

    def forward(self, code: Float[Tensor, "B D"]) -> Float[Tensor, "B 2 2"]:
        """Scores of both; the code alone has a gradient."""
        bounded = full(code).sigmoid()
        both = torch.stack([torch.rand_like(bounded), bounded], dim=1)
        return self.scores(self.body(both))


class RowContext(nn.Module):
    """What is known of each patch of a grid from its own row and those above it, or below.

    Residual blocks over the map of patches: 1 x 1, three patches of a row, two of a column, of
    which the second is the patch itself, and 1 x 1, as CPC v2 has them, Henaff et al., ICML
    2020, https://arxiv.org/abs/1905.09272, appendix. Nothing is normalised, so that no batch
    lets patches see one another.

    Args:
        width: D, of a patch.
        hidden: width within a block.
        depth: blocks; the last one sees so many rows above.
        side: patches of a side of the grid.
        upwards: whether it sees the rows below in their place.
    """

    def __init__(
        self, width: int, *, hidden: int = 256, depth: int = 5, side: int = 7, upwards: bool
    ) -> None:
        super().__init__()
        self.side, self.upwards = side, upwards
        self.blocks = nn.ModuleList(
            nn.Sequential(
                nn.Conv2d(width, hidden, 1),
                nn.ReLU(),
                nn.Conv2d(hidden, hidden, (1, 3), padding=(0, 1)),
                nn.ZeroPad2d((0, 0, 1, 0)),
                nn.Conv2d(hidden, hidden, (2, 1)),
                nn.ReLU(),
                nn.Conv2d(hidden, width, 1),
            )
            for _ in range(depth)
        )

    def forward(self, rows: Float[Tensor, "patches D"]) -> Float[Tensor, "patches D"]:
        """Patches as `ilk.views.PatchGrid` orders them, of one view: patch by patch."""
        shown = rows.view(self.side, self.side, -1, rows.shape[1]).permute(2, 3, 0, 1)
        shown = shown.flip(2) if self.upwards else shown
        for block in self.blocks:
            shown = (shown + block(shown)).relu()
        shown = shown.flip(2) if self.upwards else shown
        return shown.permute(2, 3, 0, 1).flatten(0, 2)


def check_rows_apart(backbone: nn.Module) -> None:
    """Refuse a backbone in which patches of an image see one another through a batch norm.

    Raises:
        UserError: it has one.
    """
    if any(isinstance(layer, nn.modules.batchnorm._BatchNorm) for layer in backbone.modules()):
        raise UserError(
            "backbone: must not normalise over the batch, through which patches of an image "
            f"see one another, but {type(backbone).__name__} does; take a transformer such as "
            'vit_mini, or a residual network with backbone_options={"norm_layer": "groupnorm1"}'
        )
