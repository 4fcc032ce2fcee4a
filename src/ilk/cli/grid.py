"""Which cells of a comparison can be trained, found out before hours of training."""

from typing import TYPE_CHECKING

from ilk.cli.terminal import plain, say, terminal
from ilk.core.errors import UserError
from ilk.core.names import catalogue

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ilk.study import Cell
    from ilk.train import Settings


def fitting(grid: "Sequence[Cell]") -> "tuple[Cell, ...]":
    """The cells whose method takes their mix and kin rule; a note says why others are not.

    Args:
        grid: cells that have settings.

    Raises:
        UserError: a name or a value is wrong, or no cell is left.
    """
    from ilk.train.assemble import check_fits

    kept: list[Cell] = []
    for cell in grid:
        assert cell.settings is not None, "a cell of the grid is trained"
        try:
            check_fits(cell.settings)
        except UserError as error:
            if not _unfit(cell.settings):
                raise
            say(terminal(), plain(f"note: {cell.name} is left out: {error}"))
        else:
            kept.append(cell)
    if not kept:
        raise UserError(
            "compare: a method must take the mix or kin rule that is named, and none does; "
            "ilk methods --table shows what fits"
        )
    return tuple(kept)


def _unfit(settings: "Settings") -> bool:
    """Whether a method takes a mix or kin rule by no setting of theirs."""
    fits = catalogue()["fits"].get(settings.method, {})
    rule = (settings.kin or "").partition(":")[0]
    return any(fits.get(name) for name in (settings.mix, rule))
