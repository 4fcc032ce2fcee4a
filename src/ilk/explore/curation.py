"""What a person decides on the page, written where commands and training read it.

Axes: N images.
"""

# pyarrow has no types
# pyright: reportUnknownParameterType=false, reportAttributeAccessIssue=false

import threading
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ilk.core import UserError
from ilk.curate import (
    HAND,
    decided,
    keep_decisions,
    read_decisions,
    rows_about,
    undo_decisions,
    verdicts,
)
from ilk.data.pairs import forget_pairs, keep_pairs, marked, read_pairs
from ilk.explore.collection import NONE, Collection

REASON = "seen"  # of a decision for which the page names none
LONGEST = 200  # letters of a reason
WORDS: tuple[Literal["keep", "drop"], ...] = ("keep", "drop")


@dataclass(frozen=True, slots=True)
class Choice:
    """What was decided about one image.

    Args:
        row: the image's place in the collection.
        decision: ``keep``, ``drop``, or None to take back what was decided by hand.
        reason: a word.
        other: row of the image that it was compared with.
    """

    row: int
    decision: Literal["keep", "drop"] | None
    reason: str = REASON
    other: int | None = None


class Curation:
    """Decisions about the images of a collection, and pairs of them.

    Args:
        collection: the images that decisions are about.
        decisions: file of the list; it need not exist.
        pairs: file of the pairs; it need not exist.
    """

    def __init__(self, collection: Collection, decisions: Path, pairs: Path) -> None:
        self._collection = collection
        self._lock = threading.Lock()
        self.decisions, self.pairs = decisions, pairs
        self._read: tuple[Any, dict[int, dict[str, Any]]] = None, {}

    def made(self) -> dict[int, dict[str, Any]]:
        """By row, what holds for each image that something was decided about."""
        if not self.decisions.exists():
            return {}
        seen = self.decisions.stat()
        version = seen.st_ino, seen.st_mtime_ns, seen.st_size
        known, made = self._read
        if known != version:
            table = read_decisions(self.decisions)
            by_hand = table.filter(pc.equal(table["by"], HAND))
            made = self._held(table) | self._held(by_hand)  # one that is selected stays kept
            self._read = version, made
        return made

    def _held(self, table: pa.Table) -> dict[int, dict[str, Any]]:
        """By row, the row of a list that decides about each image."""
        held = verdicts(table)
        contents = self._collection.contents
        known = pa.array(contents, mask=contents == 0)
        about = rows_about(held, self._collection.keys, known)
        places = np.flatnonzero(about >= 0)
        entries = held.select(["verdict", "reason", "by", "other"]).take(
            pa.array(about[places])
        )
        entries = entries.rename_columns(["decision", "reason", "by", "other"]).to_pylist()
        return dict(zip(places.tolist(), entries, strict=True))

    def decide(self, choices: Sequence[Choice]) -> int:
        """Write decisions; return the number of images in the list.

        Raises:
            UserError: the list cannot be read or written.
        """
        together: dict[tuple[str, str], list[Choice]] = defaultdict(list)
        back: list[int] = []
        for choice in choices:
            if choice.decision is None:
                back.append(choice.row)
            else:
                together[choice.decision, choice.reason[:LONGEST] or REASON].append(choice)
        with self._lock:
            if back and self.decisions.exists():
                undo_decisions(
                    self.decisions,
                    by=HAND,
                    keys=self._keys(back),
                    contents=self._contents(back),
                )
            for (decision, reason), entries in together.items():
                self._keep(cast("Literal['keep', 'drop']", decision), reason, entries)
        if not self.decisions.exists():
            return 0
        images = read_decisions(self.decisions).group_by(["key", "content"])
        return len(images.aggregate([]))

    def _keep(
        self, decision: Literal["keep", "drop"], reason: str, entries: Sequence[Choice]
    ) -> None:
        rows = [entry.row for entry in entries]
        others = [
            None if entry.other is None else self._keys([entry.other])[0] for entry in entries
        ]
        keep_decisions(
            self.decisions,
            decided(
                self._keys(rows),
                self._contents(rows),
                decision,
                reason=reason,
                by=HAND,
                others=others,
            ),
        )

    def pair(self, one: int, other: int, same: bool | None) -> int:
        """Mark two images as the same or different, or neither; return the number of pairs.

        Raises:
            UserError: it is one image, or the file cannot be read or written.
        """
        if one == other:
            raise UserError("pair: must be two images, got one")
        first, second = self._keys([one, other])
        with self._lock:
            if same is None:
                return len(forget_pairs(self.pairs, [(first, second)]))
            return len(keep_pairs(self.pairs, marked([(first, second, same)])))

    def partners(self, row: int) -> dict[int, str]:
        """By row, the images that were marked as the ``same`` as one, or ``different``."""
        if not self.pairs.exists():
            return {}
        key, table = self._keys([row])[0], read_pairs(self.pairs)
        out: dict[int, str] = {}
        for mine, theirs in (("key_a", "key_b"), ("key_b", "key_a")):
            found = table.filter(pc.equal(table[mine], key))
            marks = zip(self._places(found[theirs]), found["same"].to_pylist(), strict=True)
            out |= {place: "same" if same else "different" for place, same in marks}
        out.pop(NONE, None)
        return out

    def _keys(self, rows: Sequence[int]) -> list[str]:
        return self._collection.keys.take(pa.array(rows, pa.int64())).to_pylist()

    def _contents(self, rows: Sequence[int]) -> list[int | None]:
        return [int(content) or None for content in self._collection.contents[rows]]

    def _places(self, keys: Any) -> list[int]:
        """Rows of keys, -1 where there is none."""
        found = pc.index_in(keys.cast(pa.large_string()), self._collection.keys)
        return found.fill_null(NONE).to_pylist()
