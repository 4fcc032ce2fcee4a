"""What a method needs of its backbone."""

from typing import cast

from torch import nn

from ilk.core import UserError
from ilk.method import (
    Given,
    Method,
    asks_for_places,
    draws_on_map,
    drops_patches,
    encodes_patches,
)
from ilk.networks import check_cells, check_drops_patches, check_rows_apart, patch_of
from ilk.views import MaskedView


def check_needs(method: Method, given: Given, trunk: nn.Module) -> None:
    """Refuse a backbone that cannot do what the method asks for.

    Args:
        method: that is trained.
        given: what its blocks are built for.
        trunk: the backbone; its weights are not looked at.

    Raises:
        UserError: hidden patches are left out, and the backbone has none; or they are asked
            for, and it does not show one place for each; or pixels are drawn from places that
            do not tile the image; or patches of an image must not see one another, and they do.
    """
    if encodes_patches(method):
        check_rows_apart(trunk)
    if drops_patches(method):
        check_drops_patches(trunk)
    masked = any(isinstance(view, MaskedView) for view in method.derived)
    if masked and patch_of(trunk, given.channels) == 1:
        check_cells(given.size, given.patch)
    side, name = int(cast(int, trunk.map_side)), type(trunk).__name__
    if asks_for_places(method) and side * given.patch != given.size:
        raise UserError(
            f"backbone: must show one place for each patch that may be hidden, every "
            f"{given.patch} px, got {name} with {side} x {side} places of {given.size} px; "
            f"take a vision transformer such as vit_mini"
        )
    if draws_on_map(method) and side * given.stride != given.size:
        raise UserError(
            f"backbone: must show places that tile an image, from which its pixels are drawn, "
            f"got {name} with {side} x {side} places, {given.stride} px apart, of {given.size} "
            "px; take another image_size, or a network such as vit_mini"
        )
