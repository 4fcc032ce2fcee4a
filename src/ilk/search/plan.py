"""What a person wants of an index."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from ilk.core import UserError
from ilk.search.header import Header
from ilk.search.ivf import lists_for
from ilk.search.parts import PART_ROWS

MOST_EXACT = 5_000_000  # rows that engine auto searches exactly
Engine = Literal["auto", "exact", "ivf"]
Codes = Literal["none", "sq8", "pq"]
# what to do where the recall asked for cannot be had with these codes
FINER: Mapping[Codes, str] = {
    "pq": "use codes sq8 or none, or ask for less",
    "sq8": "use codes none, or ask for less",
    "none": "ask for less, or use engine exact",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """How an index is built.

    Args:
        engine: ``auto`` is exact up to five million rows, ``ivf`` above.
        recall: measured share of the true ten nearest that engine ivf must find.
        codes: what the lists of engine ivf keep: ``none`` half precision, ``sq8`` a byte a
            number, ``pq`` a byte for four numbers.
        lists: number of lists of engine ivf; None for twice the square root of the rows.
        part_rows: rows of a part at most.
    """

    engine: Engine = "auto"
    recall: float = 0.95
    codes: Codes = "sq8"
    lists: int | None = None
    part_rows: int = PART_ROWS

    def __post_init__(self) -> None:
        if not 0 < self.recall <= 1:
            raise UserError(f"recall: must be above 0 and at most 1, got {self.recall}")
        if self.part_rows < 1 or (self.lists is not None and self.lists < 1):
            raise UserError("index: lists and rows of a part must be 1 or more")

    def lists_of(self, rows: int) -> int:
        """How many lists engine ivf sorts so many rows into."""
        return min(self.lists or lists_for(rows), rows)

    def fits(self, made: Header) -> bool:
        """Whether an index that is whole was built like this, whichever its engine is."""
        if made.ivf is None:
            return True
        return (made.ivf["codes"], made.ivf["lists"], (made.recall or {}).get("wanted")) == (
            self.codes, self.lists_of(made.rows), self.recall,
        )  # fmt: skip

    def ivf(self, rows: int) -> bool:
        """Whether so many rows are sorted into lists."""
        return self.engine == "ivf" or (self.engine == "auto" and rows > MOST_EXACT)
