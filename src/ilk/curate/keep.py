"""Which image of a group of copies stays. Nothing is deleted: the list of decisions says so."""

# pyarrow has no types
# pyright: reportUnknownParameterType=false, reportAttributeAccessIssue=false

import os
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa

from ilk.core import UserError, stored
from ilk.curate.appearances import Appearances
from ilk.curate.collection import Collection
from ilk.curate.decisions import Decision, decided
from ilk.curate.duplicates import Copy, Group
from ilk.data import Source, roots
from ilk.search.images import IndexedImages

RULES = ("largest", "oldest", "typical", "folder:PATH")
Choose = Callable[[Group], int]


def keep_rule(rule: str, looks: Appearances, source: Source) -> Choose:
    """A function from a group to the row that stays.

    Args:
        rule: ``largest`` keeps the image with most pixels, ``oldest`` the file that was
            changed first, ``typical`` the medoid, ``folder:PATH`` one whose key begins so, and
            of several, as in all rules, the one that is typical, else the first.
        looks: how the images look.
        source: that they come from.

    Raises:
        UserError: there is no such rule, images are no files that have a date, or no key
            begins so.
    """
    name, _, path = rule.partition(":")
    if name == "largest" and not path:
        sizes = looks.column("size").astype("int64").prod(1)
        return _by(lambda row: -int(sizes[row]))
    if name == "oldest" and not path:
        return _by(lambda row: _changed(source, int(looks.items[row])))
    if name == "typical" and not path:
        return lambda group: group.medoid
    if name == "folder" and path:
        return _by_folder(path, looks, source)
    raise UserError(f"keep: must be {', '.join(RULES[:-1])} or {RULES[-1]}, got {rule!r}")


def _by_folder(path: str, looks: Appearances, source: Source) -> Choose:
    """The image whose key begins with a path.

    Raises:
        UserError: no key does.
    """
    keys = [source.key(item) for item in looks.items.tolist()]
    if not any(key.startswith(path) for key in keys):
        such = f"keys are such as {stored(keys[0])!r:.200}" if keys else "there is no image"
        raise UserError(f"keep: folder must be what a key begins with, got {path!r}; {such}")
    return _by(lambda row: not keys[row].startswith(path))


def _by(cost: Callable[[int], float]) -> Choose:
    """The row that costs least; the medoid goes before equal ones."""
    return lambda group: min(group.rows, key=lambda row: (cost(row), row != group.medoid, row))


def _changed(source: Source, item: int) -> float:
    """When the file of an image was changed; infinity where it has gone."""
    path = _file(source, item)
    if path is None:
        raise UserError(
            f"keep oldest: images must be files in a folder, {stored(source.key(item))} is "
            "none; choose another rule"
        )
    try:
        return path.stat().st_mtime
    except OSError:
        return float("inf")


def _file(source: Source, item: int) -> Path | None:
    """Where the file of an image lies; None where it is no file in a folder."""
    if isinstance(source, IndexedImages):
        return source.place(item)
    key = source.key(item)
    for prefix, root in sorted(roots(source).items(), key=lambda pair: -len(pair[0])):
        path = Path(root) / key[len(prefix) :]
        inside = Path(os.path.normpath(path)).is_relative_to(root)
        if key.startswith(prefix) and inside and Path(root).is_dir():
            return path
    return None


def group_decisions(
    groups: Sequence[Group], choose: Choose, looks: Appearances, source: Source, by: str
) -> pa.Table:
    """The list for groups of copies: one of each stays, the others are dropped.

    Args:
        groups: groups of copies.
        choose: which row stays, see `keep_rule`.
        looks: how the images look.
        source: that they come from.
        by: the rule, in words.
    """
    stay = [choose(group) for group in groups]
    leave = [
        (row, kept)
        for group, kept in zip(groups, stay, strict=True)
        for row in group.rows
        if row != kept
    ]
    return pa.concat_tables(
        [
            _rows(looks, source, stay, "keep", "duplicate", by),
            _rows(
                looks, source, [row for row, _ in leave], "drop", "duplicate", by,
                [stored(source.key(int(looks.items[kept]))) for _, kept in leave],
            ),
        ]
    )  # fmt: skip


def copy_decisions(
    copies: Sequence[Copy], known: Collection, asked: Collection, *, reason: str, by: str
) -> pa.Table:
    """The list for copies of images of another collection: they are dropped.

    Args:
        copies: images of ``asked`` that are copies of one of ``known``.
        known: where they come from.
        asked: where they were found.
        reason: ``copy`` or ``leak``.
        by: the rule, in words.
    """
    rows = [copy.row for copy in copies]
    others = [known.key(copy.of) for copy in copies]
    return _rows(asked.looks, asked.source, rows, "drop", reason, by, others)


def _rows(
    looks: Appearances, source: Source, rows: list[int], decision: Decision, reason: str,
    by: str, others: list[str] | None = None,
) -> pa.Table:  # fmt: skip
    keys = [stored(source.key(int(looks.items[row]))) for row in rows]
    contents = looks.column("content")[np.array(rows, np.int64)]
    return decided(keys, contents, decision, reason=reason, by=by, others=others)
