"""A part of a pack, chosen as it would be of the original. Axes: M items, K chosen."""

from collections.abc import Set
from dataclasses import dataclass

import numpy as np
from jaxtyping import Int, Int64

from ilk.core.errors import UserError
from ilk.core.facts import LABEL, Fact
from ilk.core.unknown import UNKNOWN
from ilk.data.by_folder import folder_classes, folder_fact, folder_facts
from ilk.data.classes import numbered
from ilk.data.columns import SPLITS, choice
from ilk.data.names import Names, Paths


@dataclass(frozen=True, slots=True)
class Origin:
    """What the keys of a pack are.

    Args:
        name: what the person called the origin.
        layout: ``paths``, ``rows`` of a table, or a ``list``.
        prefixes: what keys begin with, beside a path.
        by_folder: whether labels are read off folders.
    """

    name: str
    layout: str
    prefixes: tuple[str, ...]
    by_folder: bool


@dataclass(frozen=True, slots=True, eq=False)
class Chosen:
    """Some items of a pack, the damaged too, and what is known of them.

    Args:
        items: their places among all, in their order.
        keys: one of each.
        label: one of each.
        facts: what is known of each, by name.
    """

    items: Int64[np.ndarray, " K"]
    keys: Names
    label: Fact
    facts: dict[str, Fact]

    def part(self, places: Int[np.ndarray, " k"]) -> "Chosen":
        """Some of them."""
        kept = np.zeros(len(self.items), bool)
        kept[places] = True
        facts = {name: _part(known, places) for name, known in self.facts.items()}
        return Chosen(
            self.items[places], self.keys.where(kept), _part(self.label, places), facts
        )


def chosen(whole: Chosen, inside: str, label: str | None, origin: Origin) -> Chosen:
    """What stands behind the path of a pack chooses as it does behind that of its original.

    Args:
        whole: all items.
        inside: a folder where keys are paths; where they are rows of a table, facts and the
            values that they must have, as in ``split=train``, and ``labels=`` with a fact.
        label: the fact that is the label, in place of the original's.
        origin: says what keys are.

    Raises:
        UserError: there is no such folder, fact or value, or nothing can be chosen.
    """
    if inside and origin.layout == "paths":
        whole = _below(whole, inside.strip("/"), origin)
    elif inside and origin.layout == "rows":
        whole, label = _rows(whole, inside, label, origin)
    elif inside:
        raise UserError(
            f"{origin.name}: a part of it cannot be chosen by {inside!r}, for its images came "
            "from several places or one by one; pack that part by itself"
        )
    if label is not None:
        return Chosen(whole.items, whole.keys, _fact(whole, label, origin), whole.facts)
    return whole


def _below(whole: Chosen, inside: str, origin: Origin) -> Chosen:
    """The items below a folder, with classes and facts as that folder has them by itself."""
    top = inside.encode(errors="surrogateescape") + b"/"
    known = {prefix.encode(errors="surrogateescape") for prefix in origin.prefixes}
    places: list[int] = []
    prefixes: list[bytes] = []
    paths: list[bytes] = []
    for place, key in enumerate(whole.keys):
        prefix = _prefix(key, known)
        if key[len(prefix) :].startswith(top):
            places.append(place)
            prefixes.append(prefix)
            paths.append(key[len(prefix) + len(top) :])
    if not places:
        raise UserError(f"{origin.name}: must hold images below {inside}, found none")
    part = whole.part(np.array(places))
    below = Paths.pack(paths)
    keys = Names.pack([prefix + path for prefix, path in zip(prefixes, paths, strict=True)])
    replaced = set(folder_facts(Paths.pack(list(whole.keys))))
    others = {name: known for name, known in part.facts.items() if name not in replaced}
    folders = {name: folder_fact(below, name) for name in folder_facts(below)}
    label = _renumbered(part.label)
    if origin.by_folder or not label.names:
        found = folder_classes(below)
        label = Fact(found.classes, found.of_folder[below.folder], found.reason)
    return Chosen(part.items, keys, label, folders | others)


def _renumbered(label: Fact) -> Fact:
    """Without the classes that only other items have."""
    used = np.unique(label.values[label.values >= 0])
    codes = np.where(label.values < 0, UNKNOWN, np.searchsorted(used, label.values))
    known = numbered([label.names[number] for number in used.tolist()], codes)
    lost = int((codes < 0).sum())
    why = f"{lost} of {len(codes)} images have no label file" if lost else ""
    return Fact(known.names, known.values, why)


def _prefix(key: bytes, prefixes: Set[bytes]) -> bytes:
    """The longest start of a key that is a prefix; each is empty or ends in a slash."""
    start, slash, _ = key.rpartition(b"/")
    while slash and start + slash not in prefixes:
        start, slash, _ = start.rpartition(b"/")
    return start + slash


def _rows(
    whole: Chosen, inside: str, label: str | None, origin: Origin
) -> tuple[Chosen, str | None]:
    """The items of which facts have the values that are asked for."""
    wanted = choice(inside, list(whole.facts))
    kept = np.ones(len(whole.items), bool)
    for name, value in wanted.rows:
        column = name or next((each for each in SPLITS if each in whole.facts), None)
        if column is None:
            raise UserError(
                f"{origin.name}: must know a fact {' or '.join(SPLITS)} to choose {value!r}, "
                f"found {', '.join(whole.facts) or 'none'}; another one is chosen by "
                f"FACT={value}"
            )
        known = _fact(whole, column, origin)
        if value not in known.names:
            raise UserError(
                f"{origin.name}: {column} {value!r} must exist, found "
                f"{', '.join(known.names[:20])}"
            )
        kept &= known.values == known.names.index(value)
    facts = {new: _fact(whole, old, origin) for new, old in wanted.facts.items()}
    renamed = Chosen(whole.items, whole.keys, whole.label, facts | whole.facts)
    return renamed.part(np.flatnonzero(kept)), label or wanted.label


def _fact(whole: Chosen, name: str, origin: Origin) -> Fact:
    if name == LABEL:
        return whole.label
    if name not in whole.facts:
        raise UserError(
            f"{origin.name}: must know a fact {name!r}, found "
            f"{', '.join(whole.facts) or 'none'}"
        )
    return whole.facts[name]


def _part(known: Fact, places: Int[np.ndarray, " k"]) -> Fact:
    return Fact(known.names, known.values[places], known.reason)
