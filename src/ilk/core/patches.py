"""Images cut into square patches, and put together again.

Axes: B images, C channels, H W pixels, M patches by raster, D = side * side * C values of one.
"""

from jaxtyping import Float
from torch import Tensor

from ilk.core.errors import UserError


def cut_patches(images: Float[Tensor, "B C H W"], side: int) -> Float[Tensor, "B M D"]:
    """Patches of so many pixels a side; their values by row, column and channel.

    Raises:
        UserError: the side does not divide those of the images.

    Example:
        >>> import torch
        >>> cut_patches(torch.arange(16.0).view(1, 1, 4, 4), 2)[0, 1].tolist()
        [2.0, 3.0, 6.0, 7.0]
    """
    height, width = images.shape[2:]
    if height % side or width % side:
        raise UserError(
            f"patches: sides of images must be multiples of {side} px, got {height} x {width}"
        )
    cells = images.unflatten(3, (width // side, side)).unflatten(2, (height // side, side))
    return cells.permute(0, 2, 4, 3, 5, 1).flatten(3).flatten(1, 2)


def join_patches(
    patches: Float[Tensor, "B M D"], side: int, grid: tuple[int, int]
) -> Float[Tensor, "B C H W"]:
    """The images that patches were cut from.

    Args:
        patches: as `cut_patches` gives them.
        side: of a patch, in pixels.
        grid: rows and columns of patches.
    """
    cells = patches.unflatten(2, (side, side, -1)).unflatten(1, grid)
    return cells.permute(0, 5, 1, 3, 2, 4).flatten(4, 5).flatten(2, 3)
