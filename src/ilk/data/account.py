"""What a source skipped, and why labels are missing."""

import json
from collections.abc import Iterable
from dataclasses import astuple, dataclass
from typing import Any

import numpy as np
from jaxtyping import UInt8

_KINDS = 20  # reasons that are kept; the rest are summed up


@dataclass(frozen=True, slots=True)
class LeftOut:
    """Files, folders or members that are no items of a source, of one kind.

    Args:
        reason: why they were left out.
        count: how many there are.
        first: the path of one of them.
    """

    reason: str
    count: int
    first: str

    def __str__(self) -> str:
        return f"{self.reason}: {self.count:,} (such as {self.first})"


class Tally:
    """Counts what is left out by reason; memory does not grow with the count."""

    def __init__(self) -> None:
        self._found: dict[str, LeftOut] = {}

    def add(self, reason: str, first: str, count: int = 1) -> None:
        """Count one more, or several of which the first is named."""
        known = self._found.get(reason)
        if known is None:
            self._found[reason] = LeftOut(reason, count, first)
        else:
            self._found[reason] = LeftOut(reason, known.count + count, known.first)

    def extend(self, entries: Iterable[LeftOut]) -> None:
        """Count what was counted elsewhere."""
        for entry in entries:
            self.add(entry.reason, entry.first, entry.count)

    def result(self) -> tuple[LeftOut, ...]:
        """The commonest reasons first; beyond twenty they are summed up as ``others``."""
        ordered = sorted(self._found.values(), key=lambda entry: (-entry.count, entry.reason))
        rest = ordered[_KINDS:]
        if not rest:
            return tuple(ordered)
        others = LeftOut("others", sum(entry.count for entry in rest), rest[0].first)
        return (*ordered[:_KINDS], others)


def left_out(source: Any) -> tuple[LeftOut, ...]:
    """What a source holds beside its items, by reason; empty where it keeps no such account.

    Args:
        source: any ``Source``; it may have a property ``left_out``.
    """
    return tuple(getattr(source, "left_out", ()))


def roots(source: Any) -> dict[str, str]:
    """Where keys lead back to: by the prefix of a key, the absolute path of what holds it.

    The rest of the key is a path in that folder or archive, or a row of that table. Empty where
    a source keeps no such account.

    Args:
        source: any ``Source``; it may have a property ``roots``.
    """
    return dict(getattr(source, "roots", {}))


def unlabelled_because(source: Any) -> str:
    """Why all or some items of a source have no label: one clause, empty if none lacks one.

    Args:
        source: any ``Source``; it may have a property ``unlabelled_because``.
    """
    reason = str(getattr(source, "unlabelled_because", ""))
    if reason or source.classes:
        return reason
    return f"{source.name} gives no labels and does not say why"


def packed(entries: Iterable[LeftOut]) -> UInt8[np.ndarray, " bytes"]:
    """As bytes, to be stored with a listing."""
    text = json.dumps([astuple(entry) for entry in entries])
    return np.frombuffer(text.encode(), np.uint8)


def unpacked(stored: UInt8[np.ndarray, " bytes"]) -> tuple[LeftOut, ...]:
    """From what ``packed`` gave."""
    return tuple(LeftOut(*entry) for entry in json.loads(stored.tobytes()))


def summary(entries: Iterable[LeftOut]) -> str:
    """All kinds in one line; ``nothing`` if there are none."""
    return "; ".join(map(str, entries)) or "nothing"
