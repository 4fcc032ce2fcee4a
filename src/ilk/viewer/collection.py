"""Pages that show images of a collection in rows, each with its reason."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from ilk.data import BadItem, Source, decode, read_item
from ilk.viewer.names import shortened
from ilk.viewer.report import CaptionedImage, Chapter, Grid, Report

_CAPTION = 40  # characters
_LISTED = 50  # images without pixels that are named


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """Some images, and why they are shown.

    Args:
        title: what stands above the row.
        says: what they have in common.
        count: how many such images there are.
        items: the ones shown, by their index in the source.
        notes: what stands below each.
    """

    title: str
    says: str
    count: int
    items: Sequence[int]
    notes: Sequence[str]


def collection_report(
    title: str,
    verdict: str,
    source: Source,
    rows: Iterable[Row],
) -> Report:
    """A report with a chapter for each row.

    Args:
        title: what stands above the page.
        verdict: what was found.
        source: where the images come from.
        rows: in the order in which they are shown.
    """
    chapters = tuple(_chapter(source, row) for row in rows)
    return Report(title=title, verdict=verdict, chapters=chapters)


def _chapter(source: Source, row: Row) -> Chapter:
    shown = [
        (image, source.key(index), note)
        for index, note in zip(row.items, row.notes, strict=True)
        for image in [_image(source, index, note)]
    ]
    images = tuple(image for image, _, _ in shown if image is not None)
    lost = [(key, note) for image, key, note in shown if image is None]
    grids: tuple[Grid, ...] = ()
    if lost:
        grids = (Grid(caption="not shown", heads=("image", "why"), rows=tuple(lost[:_LISTED])),)
    of = (
        f"{len(row.items):,} of {row.count:,}"
        if row.count > len(row.items)
        else f"{row.count:,}"
    )
    return Chapter(
        title=f"{row.title} ({of})",
        lead=row.says,
        grids=grids,
        images=(("", images),) if images else (),
    )


def _image(source: Source, index: int, note: str) -> CaptionedImage | None:
    """None where it cannot be decoded."""
    try:
        pixels: np.ndarray = decode(read_item(source, index))
    except BadItem:
        return None
    key = source.key(index)
    caption = shortened(key, _CAPTION) + (f": {note}" if note else "")
    return CaptionedImage(pixels=pixels, caption=caption, alt=f"{key} {note}".strip())
