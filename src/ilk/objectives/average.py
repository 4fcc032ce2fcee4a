"""How rows become one loss. Axes: Q queries, K candidates."""

from jaxtyping import Float
from torch import Tensor

from ilk.core import AlignedKin, Kin


def mean_with_kin(rows: Float[Tensor, " Q"], kin: Kin | AlignedKin) -> Float[Tensor, ""]:
    """The mean over rows that have kin; zero when none has. Rows without kin are not read.

    A row counts as often as its importance says, as if it had been drawn so often.
    """
    related = kin.related
    if kin.importance is not None:
        rows = rows * kin.importance.to(rows)
    return rows.masked_fill(~related, 0.0).sum() / related.sum().clamp(min=1)
