"""What a report says, before it is laid out. Axes: H W C pixels."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import UInt8

MISSING = "not measured"  # in place of a number


@dataclass(frozen=True, kw_only=True, slots=True)
class Score:
    """A measured share with its interval, all in [0, 1].

    Args:
        value: what was measured.
        low: lower end of the 95 % interval.
        high: upper end.
    """

    value: float
    low: float
    high: float


@dataclass(frozen=True, kw_only=True, slots=True)
class ScoreRow:
    """A row of the result table.

    Args:
        name: of what was measured.
        scores: one a measure; None where it was not measured.
        ours: whether the report is about this row.
    """

    name: str
    scores: tuple[Score | None, ...]
    ours: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Results:
    """The result table.

    Args:
        measures: what each column is.
        rows: one for each encoder.
        chance: what guessing would reach, None when not known.
        note: how it was measured, below the table.
    """

    measures: tuple[str, ...]
    rows: tuple[ScoreRow, ...]
    chance: float | None = None
    note: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Line:
    """A curve.

    Args:
        name: in the legend when a figure has several.
        points: x and y, ascending in x.
        band: low and high around y at each point; empty draws none.
    """

    name: str
    points: tuple[tuple[float, float], ...]
    band: tuple[tuple[float, float], ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Figure:
    """A plot of curves over one x axis.

    Args:
        title: what is plotted.
        lines: at least one, each with at least one point.
        note: what a reader should look for.
        form: how the last values are written, as for ``str.format``; empty leaves them out.
        x: name of the x axis.
        y: name of the y axis, with its unit.
        across: how x is laid out; by logarithms it must be positive.
        marks: x at which a dotted line stands, as the note explains.
    """

    title: str
    lines: tuple[Line, ...]
    note: str = ""
    form: str = "{:.3g}"
    x: str = "epoch"
    y: str = ""
    across: Literal["linear", "logarithmic"] = "linear"
    marks: tuple[float, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class CaptionedImage:
    """An image with its caption.

    Args:
        pixels: of any number of channels; the first three are shown, or the first alone.
        caption: below it.
        alt: the same in words, for those who cannot see it.
        shares: names of what it is mixed of and their shares, which sum to one; else empty.
    """

    pixels: UInt8[np.ndarray, "H W C"]
    caption: str
    alt: str
    shares: tuple[tuple[str, float], ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class ImageViews:
    """An image and what the method makes of it.

    Args:
        image: as it is in the data.
        made: its views.
    """

    image: CaptionedImage
    made: tuple[CaptionedImage, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Neighbour:
    """A nearest neighbour.

    Args:
        image: of it.
        agrees: whether it has the query's label; None when not known.
    """

    image: CaptionedImage
    agrees: bool | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Lookup:
    """An image and its nearest neighbours in one or more spaces.

    Args:
        query: the image.
        found: by the name of the space, nearest first.
    """

    query: CaptionedImage
    found: tuple[tuple[str, tuple[Neighbour, ...]], ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class LossSection:
    """Positives, negatives and ignored images of a loss.

    Args:
        term: name of the loss.
        lead: how to read it.
        lookups: queries, each with its positives, negatives and ignored images.
    """

    term: str
    lead: str
    lookups: tuple[Lookup, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Facts:
    """Names and values, folded until they are asked for.

    Args:
        title: of the group.
        rows: name and value.
    """

    title: str
    rows: tuple[tuple[str, str], ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Grid:
    """A table of texts.

    Args:
        caption: what it shows.
        heads: of the columns.
        rows: the first text of each is its name.
    """

    caption: str
    heads: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Matrix:
    """A square table of counts, shaded by each row's shares.

    Args:
        caption: what it shows.
        names: of rows and columns.
        counts: by row, then by column.
    """

    caption: str
    names: tuple[str, ...]
    counts: tuple[tuple[int, ...], ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class CropPair:
    """Two views of an image with lines from one to the other.

    Args:
        left: the first view.
        right: the second.
        lines: ends in the first and in the second, across and down as shares of the sides.
        caption: below both.
        alt: the same in words.
    """

    left: UInt8[np.ndarray, "H W C"]
    right: UInt8[np.ndarray, "_ _ C"]
    lines: tuple[tuple[tuple[float, float], tuple[float, float]], ...]
    caption: str
    alt: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Chapter:
    """A section of its own; what is empty is left out.

    Args:
        title: of the section.
        lead: how to read it.
        figures: plots.
        grids: tables.
        matrices: shaded tables.
        lines: sentences.
        lookups: images and their neighbours.
        images: side by side, by the name of the row; an empty name is not shown.
        looks: images and what was made of them.
        pairs: views with lines between them.
    """

    title: str
    lead: str
    figures: tuple[Figure, ...] = ()
    grids: tuple[Grid, ...] = ()
    matrices: tuple[Matrix, ...] = ()
    lines: tuple[str, ...] = ()
    lookups: tuple[Lookup, ...] = ()
    images: tuple[tuple[str, tuple[CaptionedImage, ...]], ...] = ()
    looks: tuple[ImageViews, ...] = ()
    pairs: tuple[CropPair, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Report:
    """A whole report; what is empty is left out.

    Args:
        title: of the page.
        verdict: what was found, in one paragraph.
        results: the result table.
        chapters: more of what was measured.
        figures: learning curves.
        looks: images and their views.
        lookups: images and their neighbours.
        losses: positives and negatives of each loss.
        facts: of the run.
    """

    title: str
    verdict: str
    results: Results | None = None
    chapters: tuple[Chapter, ...] = ()
    figures: tuple[Figure, ...] = ()
    looks: tuple[ImageViews, ...] = ()
    lookups: tuple[Lookup, ...] = ()
    losses: tuple[LossSection, ...] = ()
    facts: tuple[Facts, ...] = ()
