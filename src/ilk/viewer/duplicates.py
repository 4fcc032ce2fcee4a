"""A page of copies: groups side by side, largest first. Axes: H W C pixels."""

from collections.abc import Callable, Sequence

import numpy as np
from jaxtyping import UInt8

from ilk.core.counts import count
from ilk.curate import DETAIL, Collection, Copy, Group, Threshold
from ilk.data import BadItem, decode, read_item
from ilk.viewer.report import (
    CaptionedImage,
    Chapter,
    Figure,
    Grid,
    Line,
    Lookup,
    Neighbour,
    Report,
)

SHOWN = 100  # groups, or copies
MEMBERS = 11  # copies of a group
BINS = 40
_EXACT = ("same file", "same pixels")


def groups_report(
    found: Collection, groups: Sequence[Group], limit: Threshold, choose: Callable[[Group], int]
) -> Report:
    """The groups of copies of a collection.

    Args:
        found: the images.
        groups: largest first.
        limit: from which agreement on images are copies.
        choose: which image of a group stays.
    """
    copies = sum(len(group.copies) for group in groups)
    shown = groups[:SHOWN]
    lookups = tuple(_group(found, group, choose(group)) for group in shown)
    beyond = f" The first {SHOWN} are shown." if len(groups) > SHOWN else ""
    return Report(
        title=f"Copies in {found.source.name}",
        verdict=f"{copies:,} of {len(found.source):,} images are copies of another one, in"
        f" {count(len(groups), 'group')}. Nothing was deleted.",
        chapters=(
            Chapter(
                title="Groups",
                lead="Each row is a group: the image that stays, and its copies, with how each"
                f" was found and how well its pixels agree, 1 at most.{beyond}",
                lookups=lookups,
            ),
            *_rest(limit, found),
        ),
    )


def copies_report(
    known: Collection, asked: Collection, copies: Sequence[Copy], limit: Threshold
) -> Report:
    """Images of one collection that are copies of one in another.

    Args:
        known: where the copies come from.
        asked: where they were found.
        copies: images of ``asked`` that are copies of one of ``known``.
        limit: from which agreement on images are copies.
    """
    lookups = tuple(
        Lookup(
            query=_image(asked, copy.row, asked.key(copy.row)),
            found=(("copy of", (Neighbour(image=_copy(known, copy.of, copy), agrees=None),)),),
        )
        for copy in copies[:SHOWN]
    )
    beyond = f" The first {SHOWN} are shown." if len(copies) > SHOWN else ""
    return Report(
        title=f"Copies of {known.source.name} in {asked.source.name}",
        verdict=f"{len(copies):,} of {len(asked.source):,} images are copies of one of"
        f" {len(known.source):,}. Nothing was deleted.",
        chapters=(
            Chapter(
                title="Copies",
                lead=f"Each image, and what it is a copy of.{beyond}",
                lookups=lookups,
            ),
            *_rest(limit, known, asked),
        ),
    )


def _group(found: Collection, group: Group, kept: int) -> Lookup:
    by_row = {copy.row: copy for copy in group.copies}
    rows = [row for row in group.rows if row != kept]
    others = tuple(
        Neighbour(image=_copy(found, row, by_row.get(row)), agrees=None)
        for row in rows[:MEMBERS]
    )
    beyond = f", {len(rows) - MEMBERS:,} of which are not shown" if len(rows) > MEMBERS else ""
    return Lookup(
        query=_image(found, kept, f"stays: {found.key(kept)}"),
        found=((f"{count(len(rows), 'copy', 'copies')}{beyond}", others),),
    )


def _copy(found: Collection, row: int, copy: Copy | None) -> CaptionedImage:
    words = found.key(row)
    if copy is not None:
        exact = copy.level in _EXACT
        words += f" ({copy.level}{'' if exact else f', {copy.agreement:.2f}'})"
    return _image(found, row, words)


def _image(found: Collection, row: int, words: str) -> CaptionedImage:
    width, height = found.looks.column("size")[row]
    return CaptionedImage(
        pixels=_pixels(found, row),
        caption=f"{words}, {width} x {height}",
        alt=found.key(row),
    )


def _pixels(found: Collection, row: int) -> UInt8[np.ndarray, "H W C"]:
    try:
        item = read_item(found.source, int(found.looks.items[row]))
        return decode(item, channels=3, detail=DETAIL)
    except BadItem:  # it has gone since it was looked at
        return np.repeat(found.looks.small(row)[..., None], 3, axis=2)


def _rest(limit: Threshold, *found: Collection) -> tuple[Chapter, ...]:
    """How the threshold was found, and what could not be compared."""
    chapters = [_threshold(limit)] if len(limit.others) else []
    bad = [one for part in found for one in part.looks.bad]
    if bad:
        rows = tuple((one.key, one.reason) for one in bad[:SHOWN])
        caption = f"{count(len(bad), 'image')} could not be compared"
        chapters.append(
            Chapter(
                title="Not compared",
                lead="",
                grids=(Grid(caption=caption, heads=("image", "why"), rows=rows),),
            )
        )
    return tuple(chapters)


def _threshold(limit: Threshold) -> Chapter:
    kinds = "; ".join(f"{what} {share:.0%}" for what, share in limit.found.items())
    lines = [Line(name="other, similar images", points=_histogram(limit.others))]
    if limit.found:
        every = np.concatenate(list(limit.copies.values()))
        lines.append(Line(name="altered copies", points=_histogram(every)))
    return Chapter(
        title="From what agreement on images are copies",
        lead=f"Pairs of other images that are similar agree by {limit.value:.2f} in"
        f" {limit.rate:.2g} of all cases; from there on images are copies. Of altered copies"
        f" that were made of these images, so many agree once compared:"
        f" {kinds or 'not measured'}.",
        figures=(
            Figure(
                title="Share of pairs", lines=tuple(lines), form="", x="agreement", y="share",
                marks=(limit.value,), note="The dotted line is the threshold.",
            ),
        ),
    )  # fmt: skip


def _histogram(values: np.ndarray) -> tuple[tuple[float, float], ...]:
    shares, edges = np.histogram(values, bins=BINS, range=(0, 1))
    middles = (edges[1:] + edges[:-1]) / 2
    return tuple(zip(middles.tolist(), (shares / max(len(values), 1)).tolist(), strict=True))
