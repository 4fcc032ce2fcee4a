"""How many of the true nearest a search finds. Axes: Q queries, N rows."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Int64

from ilk.core import UserError
from ilk.embedding import others

if TYPE_CHECKING:
    from ilk.search.index import Index

AT = 10
QUERIES = 1000
SEED = 0
_FINER = 3  # times that the number of lists is halved towards the smallest that will do


class Truth:
    """The true nearest of some rows of an index, without themselves.

    Args:
        index: any.
        queries: how many rows ask; all where there are fewer.
        at: how many nearest of each count; all others where there are fewer.
    """

    def __init__(self, index: "Index", queries: int = QUERIES, at: int = AT) -> None:
        rng = np.random.default_rng(SEED)
        some = rng.choice(len(index), min(queries, len(index)), replace=False)
        self._index, self._places = index, np.sort(some)
        self.at = max(min(at, len(index) - 1), 1)
        self._vectors = index.vectors[self._places].astype(np.float32)
        self._true = self._others(index.search(self._vectors, self.at + 1, exact=True)[0])

    @property
    def queries(self) -> int:
        """How many rows ask."""
        return len(self._places)

    def _others(self, ids: Int64[np.ndarray, "Q more"]) -> Int64[np.ndarray, "Q at"]:
        """Without the row that asks."""
        return ids[others(ids, self._index.ids[self._places])].reshape(len(ids), -1)

    def recall(self, probed: int) -> float:
        """The share that a search finds which looks into so many lists; 1 of no others."""
        wanted = int((self._true >= 0).sum())
        if not wanted:
            return 1.0
        found = self._others(self._index.search(self._vectors, self.at + 1, probed=probed)[0])
        hits = [
            len(np.intersect1d(mine[mine >= 0], true[true >= 0]))
            for mine, true in zip(found, self._true, strict=True)
        ]
        return sum(hits) / wanted


def fewest_lists(
    recall: Callable[[int], float], lists: int, wanted: float, first: int = 1
) -> tuple[int, float]:
    """The smallest number of lists with the recall that is wanted, and that recall.

    Doubled until it will do, then halved towards the smallest; where none will do, all lists.

    Example:
        >>> fewest_lists(lambda probed: min(probed / 40, 1.0), 64, 0.9)
        (36, 0.9)
    """
    low, high = 0, min(first, lists)
    found = recall(high)
    while found < wanted and high < lists:
        low, high = high, min(2 * high, lists)
        found = recall(high)
    for _ in range(_FINER):
        middle = (low + high) // 2
        if found < wanted or middle <= low:
            break
        other = recall(middle)
        if other >= wanted:
            high, found = middle, other
        else:
            low = middle
    return high, found


def measured(index: "Index", wanted: float, first: int = 1) -> tuple[int, dict[str, Any]]:
    """How many lists a search must look into, and what the header says of its recall.

    All lists where even these do not reach the recall that is wanted; see `check_recall`.
    """
    assert index.header.ivf is not None
    truth, lists = Truth(index), index.header.ivf["lists"]
    probed, value = fewest_lists(truth.recall, lists, wanted, first)
    return probed, {
        "at": truth.at, "queries": truth.queries, "value": value, "wanted": wanted
    }  # fmt: skip


def check_recall(recall: Mapping[str, Any], lists: int, advice: str) -> None:
    """Refuse a recall that is lower than what is wanted.

    Args:
        recall: as `measured` found it.
        lists: number of all lists.
        advice: what to do.

    Raises:
        UserError: it is lower.
    """
    if recall["value"] < recall["wanted"]:
        raise UserError(
            f"recall: recall@{recall['at']} must reach {recall['wanted']:g}, got "
            f"{recall['value']:.4f} on {recall['queries']} queries with all {lists} lists "
            f"looked into; {advice}"
        )
