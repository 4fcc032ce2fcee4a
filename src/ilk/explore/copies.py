"""Copies among the images of a page, as `ilk.curate` finds them. Axes: N images."""

from collections.abc import Sequence
from typing import Any

from ilk.curate import (
    Appearances,
    Group,
    Shelf,
    Threshold,
    agreement_threshold,
    duplicate_groups,
    group_sizes,
    keep_rule,
    look_at,
)
from ilk.data import Source, default_workers
from ilk.explore.page import Page

SAME_GROUP = "same group"


class Copies:
    """Groups of copies, and which of each stays by a rule.

    Args:
        groups: copies as rows of ``looks``, the largest group first.
        looks: how the images look.
        source: gives the images by row.
        limit: from what agreement on images are copies.
    """

    def __init__(
        self, groups: Sequence[Group], looks: Appearances, source: Source, limit: Threshold
    ) -> None:
        self._groups, self._looks, self._source, self._limit = groups, looks, source, limit
        self.of: dict[int, int] = {}
        self._level: dict[int, str] = {}
        self._medoid: dict[int, int] = {}
        for number, group in enumerate(groups):
            for row in group.rows:
                self.of[self._item(row)] = number
            for copy in group.copies:
                self._level[self._item(copy.row)] = copy.level
                self._medoid[self._item(copy.row)] = self._item(copy.of)

    def said(self, rule: str) -> dict[str, Any]:
        """All groups, and which image of each stays.

        Raises:
            UserError: there is no such rule, or it does not fit these images.
        """
        choose = keep_rule(rule, self._looks, self._source)
        return {
            "groups": [
                {
                    "rows": [self._item(row) for row in group.rows],
                    "keep": self._item(choose(group)),
                    "reason": _reason(group),
                    "similarity": float(group.agreement),
                }
                for group in self._groups
            ],
            "words": self._words,
        }

    def reason(self, one: int, other: int) -> str | None:
        """Why two images are copies; None where they are not."""
        if one not in self.of or self.of[one] != self.of.get(other):
            return None
        for copy, original in ((one, other), (other, one)):
            if self._medoid.get(copy) == original:
                return self._level[copy]
        return SAME_GROUP

    @property
    def _words(self) -> str:
        limit = self._limit
        shares = ", ".join(f"{what} {share:.0%}" for what, share in limit.found.items())
        words = (
            f"Images are copies from an agreement of {limit.value:.2f} on, which one in "
            f"{1 / limit.rate:,.0f} pairs of other, similar images reaches."
        )
        return f"{words} Of altered copies it finds: {shares}." if shares else words

    def _item(self, row: int) -> int:
        return int(self._looks.items[row])


def _reason(group: Group) -> str:
    """The levels of a group, the surest first."""
    order = ("same file", "same pixels", "hash", "embedding", SAME_GROUP)
    levels = {copy.level for copy in group.copies}
    return ", ".join(level for level in order if level in levels)


def copies(page: Page) -> Copies:
    """Groups of copies.

    Raises:
        Working: the images are being looked at.
        UserError: the images are gone.
    """
    source, collection = page.collection.source(), page.collection

    def make(tell: Any) -> Copies:
        folder = collection.folder
        shelf = None
        if folder is not None:
            # where ilk duplicates keeps them
            shelf = Shelf.beside(folder.parent, collection.ids, collection.contents)
        workers = default_workers()
        looks = look_at(source, workers=workers, shelf=shelf, progress=tell)
        limit = agreement_threshold(looks, source=source, workers=workers)
        found = duplicate_groups(
            looks, collection.spaces[0].vectors, threshold=limit.value, workers=workers
        )
        made = page.copies = Copies(found, looks, source, limit)
        page.keep("duplicates", group_sizes(found, looks, len(page)))
        return made

    return page.jobs.result("duplicates", "Duplicates among all images", make)
