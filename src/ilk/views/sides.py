"""Which sides of views a mix can be drawn for."""

from collections.abc import Collection, Iterable

from ilk.core import UserError
from ilk.views.derived import MixedView
from ilk.views.view import View


def check_sides(
    views: Iterable[View], mixes: Iterable[MixedView], wanted: Collection[str]
) -> None:
    """Refuse views that PuzzleMix cannot cut into blocks, where it may be drawn.

    Args:
        views: of items, some of which are mixed.
        mixes: of views.
        wanted: names of the views that are made at all.

    Raises:
        UserError: the side of a view is odd.
    """
    puzzled = {
        mix.view for mix in mixes if mix.name in wanted and "puzzlemix" in mix.mixing.strategies
    }
    for view in views:
        if view.name in puzzled and view.size % 2:
            raise UserError(
                f"mix: puzzlemix must have views whose sides are even, got {view.size} px of "
                f"view {view.name}; take another size, or leave it out of mix.strategies"
            )
