"""Facts of items by name, from any source and beside any source. Axes: N items."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ilk.core.errors import UserError
from ilk.core.facts import LABEL, Fact
from ilk.core.names import did_you_mean
from ilk.core.unknown import UNKNOWN
from ilk.data.account import LeftOut, left_out, roots, unlabelled_because
from ilk.data.arrays import given_labels
from ilk.data.source import Source, digest, labels

_SHOWN = 20  # names of facts


def fact_names(source: Any) -> tuple[str, ...]:
    """The names of all facts of a source, ``label`` first if anything is labelled.

    Args:
        source: any ``Source``; it may have a property ``facts``, the names of those beside the
            label, and a method ``fact`` that gives one by its name.
    """
    others = (name for name in getattr(source, "facts", ()) if name != LABEL)
    return (*((LABEL,) if source.classes else ()), *others)


def fact(source: Any, name: str) -> Fact:
    """What a source knows of each item, by name.

    Example:
        >>> import numpy as np
        >>> from ilk.data import fact, open_source
        >>> photos = open_source(np.zeros((3, 8, 8)), facts={"domain": ["web", "web", "lab"]})
        >>> fact(photos, "domain").names
        ('lab', 'web')

    Args:
        source: any ``Source``.
        name: ``label``, or another of ``fact_names``.

    Raises:
        UserError: there is no such fact, or what it is read from cannot be one.
    """
    if name == LABEL:
        return Fact(source.classes, labels(source).astype(np.int32), unlabelled_because(source))
    if name in getattr(source, "facts", ()):
        return source.fact(name)
    known = fact_names(source)
    hint = did_you_mean(
        name,
        known,
        f"a column is named by :{name}=COLUMN after the path of a table, other values by "
        f"facts={{'{name}': ...}}",
    )
    found = ", ".join(known[:_SHOWN]) or "none"
    raise UserError(
        f"{source.name}: items must have a fact {name!r}, found {found:.300}; {hint}"
    )


def merge(parts: Sequence[Fact]) -> Fact:
    """The facts of several sources one after the other; equal names are the same value."""
    names = {name for part in parts for name in part.names}
    by_number = all(name.isdecimal() for name in names)
    order = sorted(names, key=lambda name: (int(name) if by_number else 0, name))
    place = {name: number for number, name in enumerate(order)}
    tables = [np.array([*map(place.get, part.names), UNKNOWN], np.int32) for part in parts]
    values = [table[part.values] for table, part in zip(tables, parts, strict=True)]
    reason = next((part.reason for part in parts if part.reason), "")
    return Fact(tuple(order), np.concatenate(values), reason)


class WithFacts:
    """A source with further facts of its items.

    Args:
        source: which items.
        facts: for each name either one value an item (numbers, negative or NaN where not known,
            or texts), or the name of another fact, which is known by both names, or a ``Fact``.

    Raises:
        UserError: values are not one for each item, or there is no fact of such a name.
    """

    def __init__(self, source: Source, facts: Mapping[str, Any]) -> None:
        self.source = source
        self.name = source.name
        self._known = {
            name: fact(source, values)
            if isinstance(values, str)
            else values
            if isinstance(values, Fact)
            else given_labels(values, len(source), f"{source.name}: {name}")
            for name, values in facts.items()
        }
        label = self._known.get(LABEL)
        self.classes = source.classes if label is None else label.names
        self.unlabelled_because = unlabelled_because(source) if label is None else label.reason

    @property
    def facts(self) -> tuple[str, ...]:
        """The names of the source's own facts and of the further ones."""
        return tuple(dict.fromkeys((*self._known, *getattr(self.source, "facts", ()))))

    def fact(self, name: str) -> Fact:
        """One of them."""
        return self._known[name] if name in self._known else fact(self.source, name)

    def __len__(self) -> int:
        """N, the number of items."""
        return len(self.source)

    def item(self, index: int) -> bytes | np.ndarray:
        """The item of the source."""
        return self.source.item(index)

    def label(self, index: int) -> int:
        """The further label if one is given, else that of the source."""
        label = self._known.get(LABEL)
        return self.source.label(index) if label is None else int(label.values[index])

    def key(self, index: int) -> str:
        """The key of the source."""
        return self.source.key(index)

    @property
    def fingerprint(self) -> str:
        """Of the source and the further facts."""
        parts = [self.source.fingerprint.encode()]
        for name, known in self._known.items():
            parts += [str((name, known.names)).encode(), known.values.astype("<i4").tobytes()]
            parts += [] if known.shares is None else [known.shares.astype("<f2").tobytes()]
        return digest(parts)

    @property
    def roots(self) -> dict[str, str]:
        """The roots of the source."""
        return roots(self.source)

    @property
    def left_out(self) -> tuple[LeftOut, ...]:
        """What the source left out."""
        return left_out(self.source)
