"""Several sources as one. Axes: N items."""

from collections.abc import Sequence

import numpy as np

from ilk.core.facts import LABEL, Fact
from ilk.core.unknown import UNKNOWN
from ilk.data.account import LeftOut, Tally, left_out, roots, unlabelled_because
from ilk.data.classes import nothing_known
from ilk.data.facts import fact, merge
from ilk.data.source import Source, digest

_DOMAIN = "domain"


class Joined:
    """The items of all parts, part after part; classes of the same name are the same class.

    Facts are those of any part, not known where a part lacks one. Parts that are given one by
    one are domains by their names, unless one of them knows a ``domain``. Keys begin with the
    name of the part.
    """

    def __init__(self, parts: Sequence[Source], name: str | None = None) -> None:
        self.name = " + ".join(part.name for part in parts) if name is None else name
        self._parts = tuple(parts)
        self._apart = name is None
        self._ends = np.cumsum([len(part) for part in parts])
        self.classes = tuple(dict.fromkeys(name for part in parts for name in part.classes))
        place = {name: number for number, name in enumerate(self.classes)}
        self._moved = [[place[name] for name in part.classes] for part in parts]

    def __len__(self) -> int:
        """N, over all parts."""
        return int(self._ends[-1])

    def item(self, index: int) -> bytes | np.ndarray:
        """The item of the part that holds it."""
        part, at = self._find(index)
        return self._parts[part].item(at)

    def label(self, index: int) -> int:
        """The class by name."""
        part, at = self._find(index)
        number = self._parts[part].label(at)
        return UNKNOWN if number < 0 else self._moved[part][number]

    def key(self, index: int) -> str:
        """The part's name and its key."""
        part, at = self._find(index)
        return f"{self._parts[part].name}/{self._parts[part].key(at)}"

    def origin(self, index: int) -> tuple[Source, int]:
        """The part that holds an item, and its index there."""
        part, at = self._find(index)
        return self._parts[part], at

    @property
    def facts(self) -> tuple[str, ...]:
        """The names of the facts of all parts."""
        every = [name for part in self._parts for name in getattr(part, "facts", ())]
        return tuple(dict.fromkeys([*every, _DOMAIN] if self._apart else every))

    def fact(self, name: str) -> Fact:
        """A fact of all parts together; values of the same name are the same value."""
        having = [name == LABEL or name in getattr(part, "facts", ()) for part in self._parts]
        if name == _DOMAIN and not any(having):
            return self._by_part()
        return merge(
            [
                fact(part, name) if has else nothing_known(len(part), f"{part.name} has none")
                for part, has in zip(self._parts, having, strict=True)
            ]
        )

    def _by_part(self) -> Fact:
        """Which part each item is of, by name."""
        names = tuple(sorted({part.name for part in self._parts}))
        each = np.array([names.index(part.name) for part in self._parts], np.int32)
        return Fact(names, each.repeat([len(part) for part in self._parts]))

    @property
    def fingerprint(self) -> str:
        """Of all fingerprints."""
        return digest([part.fingerprint.encode() for part in self._parts])

    @property
    def unlabelled_because(self) -> str:
        """What the first part says that lacks labels, and how many others do."""
        reasons = [(part.name, unlabelled_because(part)) for part in self._parts]
        lacking = [f"in {name}: {reason}" for name, reason in reasons if reason]
        if len(lacking) > 1:
            return f"{lacking[0]} ({len(lacking) - 1} other parts lack labels too)"
        return "".join(lacking)

    @property
    def roots(self) -> dict[str, str]:
        """Of each part, by the name with which its keys begin."""
        return {
            f"{part.name}/{prefix}": root
            for part in self._parts
            for prefix, root in roots(part).items()
        }

    @property
    def left_out(self) -> tuple[LeftOut, ...]:
        """Of all parts together."""
        tally = Tally()
        for part in self._parts:
            tally.extend(left_out(part))
        return tally.result()

    def _find(self, index: int) -> tuple[int, int]:
        index = range(len(self))[index]
        part = int(np.searchsorted(self._ends, index, side="right"))
        return part, index - (int(self._ends[part - 1]) if part else 0)
