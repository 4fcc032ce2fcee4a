"""A few labels for many images: from a folder or a table beside them. Axes: N items."""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
from jaxtyping import Int32

from ilk.core.counts import count
from ilk.core.errors import UserError
from ilk.core.facts import LABEL, Fact
from ilk.core.unknown import UNKNOWN
from ilk.data.account import LeftOut, left_out, roots, unlabelled_because
from ilk.data.classes import numbered
from ilk.data.facts import WithFacts, fact
from ilk.data.joined import Joined
from ilk.data.label_tables import WORD, read_labels
from ilk.data.leavings import same
from ilk.data.source import Source, digest, labels
from ilk.data.subset import Subset

HIDDEN = "hidden label"  # the fact that monitors alone may look at


class Hidden:
    """The same items without their labels, which are the fact ``hidden label`` then.

    Args:
        source: perhaps labelled.
        because: why they have no label, as a clause.
        again: whether these items stand beside the same ones with labels; monitors are not
            shown their labels then, and what was left out is not counted once more.
    """

    classes: tuple[str, ...] = ()

    def __init__(self, source: Source, because: str, *, again: bool = False) -> None:
        self.source, self.name, self._again = source, source.name, again
        self.unlabelled_because = because

    @property
    def facts(self) -> tuple[str, ...]:
        """Those of the source, and the hidden label where it has labels."""
        own = getattr(self.source, "facts", ())
        others = tuple(name for name in own if name not in {LABEL, HIDDEN})
        return others if self._again or not self.source.classes else (*others, HIDDEN)

    def fact(self, name: str) -> Fact:
        """One of them."""
        return fact(self.source, LABEL if name == HIDDEN else name)

    def __len__(self) -> int:
        """N."""
        return len(self.source)

    def item(self, index: int) -> bytes | np.ndarray:
        """The item of the source."""
        return self.source.item(index)

    def label(self, index: int) -> int:
        """Not known."""
        return UNKNOWN

    def key(self, index: int) -> str:
        """The key of the source."""
        return self.source.key(index)

    @property
    def fingerprint(self) -> str:
        """A digest of the source without its labels."""
        return digest([self.source.fingerprint.encode(), b"hidden"])

    @property
    def roots(self) -> dict[str, str]:
        """The roots of the source."""
        return roots(self.source)

    @property
    def left_out(self) -> tuple[LeftOut, ...]:
        """What the source left out."""
        return () if self._again else left_out(self.source)


def with_labelled(photos: Source, labelled: Source) -> Source:
    """Labelled images and unlabelled ones as one source; only the first have labels.

    Args:
        photos: whose own labels, if there are any, are hidden from all but monitors.
        labelled: with a class for each image that is to count as labelled.

    Raises:
        UserError: none of them has a label, or one lies in a folder of the other.
    """
    _check_apart(photos, labelled)
    if (labels(labelled) < 0).all():
        raise UserError(
            f"labelled: {labelled.name} must hold images with labels, such as a folder for "
            f"each class, got none: {unlabelled_because(labelled)}"
        )
    hidden = Hidden(photos, f"labels are those of {labelled.name} alone")
    return Joined([labelled, hidden], f"{labelled.name} + {photos.name}")


def with_table(photos: Source, table: Path) -> Source:
    """The same images with the labels of a table, and no others.

    Args:
        photos: whose own labels, if there are any, are hidden from all but monitors.
        table: CSV or parquet with the columns ``path`` and ``label``. A path is a key of the
            images, or leads to one of them from the folder of the table, or is absolute; an
            empty label leaves an image unlabelled. In parquet labels are what they are in a
            table of images: names, or whole numbers, which are not known below zero.

    Raises:
        UserError: a row names no image, two rows disagree, there are no rows with a label, or
            the table cannot be read.
    """
    wanted = read_labels(table)
    found = _found(wanted, table, photos)
    missing = [path for path in wanted if path not in found]
    if missing:
        raise UserError(
            f"{WORD}: every row of {table} must name an image of {photos.name}, "
            f"{count(len(missing), 'row')} of {len(wanted)} do not, first {missing[0]!r:.200}; "
            "a path is one below the images, from the folder of the table, or absolute"
        )
    _check_agree(wanted, found, table)
    names = sorted({name for name in wanted.values() if name})
    place = {name: number for number, name in enumerate(names)}
    codes: Int32[np.ndarray, " N"] = np.full(len(photos), UNKNOWN, np.int32)
    for path, name in wanted.items():
        codes[found[path]] = place.get(name, UNKNOWN)
    known = _present(numbered(names, codes))
    if not known.names:
        raise UserError(f"{WORD}: {table} must have a row with a label, got none")
    because = f"{table} gives them none"
    return WithFacts(Hidden(photos, because), {LABEL: known})


def _present(known: Fact) -> Fact:
    """Without classes that no item has: numbers from 1 on leave the class 0 empty."""
    places = np.unique(known.values[known.values >= 0])
    moved = np.full(len(known.names) + 1, UNKNOWN, np.int32)  # the last one for -1
    moved[places] = np.arange(len(places), dtype=np.int32)
    names = tuple(known.names[place] for place in places)
    return Fact(names, moved[known.values], known.reason)


def pooled(source: Source) -> Source:
    """The source with every labelled item once more, whose label is hidden.

    So labelled images are among the unlabelled ones too, as items of their own. Monitors are
    not shown their labels either: what was learned by heart is no measure of pseudo-labels.
    """
    known = np.flatnonzero(labels(source) >= 0)
    why = "these are labelled images once more"
    return Joined([source, Hidden(Subset(source, known), why, again=True)], source.name)


def monitor_labels(source: Source) -> Int32[np.ndarray, " N"]:
    """Labels that monitors may hold predictions against, hidden ones too; -1 where unknown."""
    known = labels(source).astype(np.int32)
    if HIDDEN not in getattr(source, "facts", ()):
        return known
    hidden = fact(source, HIDDEN)
    place = {name: number for number, name in enumerate(source.classes)}
    table = np.array([*(place.get(name, UNKNOWN) for name in hidden.names), UNKNOWN], np.int32)
    return np.where(known >= 0, known, table[hidden.values])


def _check_apart(photos: Source, labelled: Source) -> None:
    """Refuse images that would be in both."""
    mine, theirs = (
        # Resolved, for a link may lead into the other.
        [Path(root).resolve() for root in roots(source).values()]
        for source in (labelled, photos)
    )
    for own in mine:
        for other in theirs:
            if own == other or other in own.parents or own in other.parents:
                raise UserError(
                    f"labelled: {labelled.name} must lie apart from the unlabelled images, got "
                    f"{own} and {other}, so that images would come twice; move one of them"
                )


def _found(wanted: Mapping[str, str], table: Path, photos: Source) -> dict[str, int]:
    """The item that each path names; what no path names is left out.

    What a path may be called is tried in order, as it stands and then with names that look the
    same.
    """
    called = {path: tuple(_keys(path, table, photos)) for path in wanted}
    asked = {form for keys in called.values() for key in keys for form in (key, same(key))}
    exact: dict[str, int] = {}
    similar: dict[str, int] = {}
    for index in range(len(photos)):
        key = photos.key(index)
        if key in asked:
            exact.setdefault(key, index)
        if (form := same(key)) in asked:
            similar.setdefault(form, index)
    out: dict[str, int] = {}
    for path, keys in called.items():
        places = [exact[key] for key in keys if key in exact]
        places += [similar[same(key)] for key in keys if same(key) in similar]
        if places:
            out[path] = places[0]
    return out


def _keys(path: str, table: Path, photos: Source) -> Iterator[str]:
    """What a path of the table may be called in the source, the likeliest first."""
    plain = os.path.normpath(path) if path else path  # without ./ and ../
    yield from (path, plain)
    for prefix, root in roots(photos).items():
        # A link may stand for the folder of the table or of the images.
        for beside, top in (
            (table.parent.absolute(), Path(root)),
            (table.parent.resolve(), Path(root).resolve()),
        ):
            place = Path(os.path.normpath(beside / plain))
            if place.is_relative_to(top):
                yield prefix + place.relative_to(top).as_posix()
    if "\\" in path:
        yield from _keys(path.replace("\\", "/"), table, photos)


def _check_agree(wanted: Mapping[str, str], found: Mapping[str, int], table: Path) -> None:
    """Refuse two paths of one image with two labels."""
    first: dict[int, str] = {}
    for path, index in found.items():
        other = first.setdefault(index, path)
        if wanted[other] != wanted[path]:
            raise UserError(
                f"{WORD}: rows of {table} must agree, got {wanted[other]!r:.60} for "
                f"{other!r:.200} and {wanted[path]!r:.60} for {path!r:.200}, the same image"
            )
