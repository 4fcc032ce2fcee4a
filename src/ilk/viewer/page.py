"""A report as one page that needs nothing else: no address outside, no script."""

from collections.abc import Sequence
from importlib import resources
from pathlib import Path
from string import Template
from xml.etree.ElementTree import Element

from ilk.core import write_whole
from ilk.viewer.images import figure, joined
from ilk.viewer.markup import element, html
from ilk.viewer.plots import crowded, curves, intervals, percent, sample, shown
from ilk.viewer.report import (
    CaptionedImage,
    Chapter,
    CropPair,
    Figure,
    ImageViews,
    Lookup,
    LossSection,
    Neighbour,
    Report,
    Results,
)
from ilk.viewer.tables import count_table, fact_table, score_table, text_table

FAINT = "Faint lines show single steps, strong lines their running mean."
TICK, CROSS = "M1 6.5 4.5 10 11 2", "M2 2 10 10M10 2 2 10"


def write_report(path: Path, report: Report) -> Path:
    """Write a page, whole or not at all, and return its path.

    Raises:
        UserError: it cannot be written.
    """
    write_whole(path, page(report).encode("ascii"), "report")
    return path


def page(report: Report) -> str:
    """The whole page."""
    parts = resources.files("ilk.viewer")
    body = [_header(report), element("main", None, *_sections(report)), _footer()]
    return Template((parts / "page.html").read_text("ascii")).substitute(
        title=html(element("title", None, report.title))[len("<title>") : -len("</title>")],
        style=(parts / "page.css").read_text("ascii"),
        body="\n".join(html(part) for part in body),
    )


def _sections(report: Report) -> list[Element]:
    out: list[Element] = []
    if report.results is not None:
        out.append(_results(report.results))
    out += [_chapter(chapter) for chapter in report.chapters]
    if report.figures:
        out.append(_figures(report.figures))
    if report.looks:
        out.append(_image_views(report.looks))
    if report.lookups:
        out.append(_lookups(report.lookups))
    out += [_loss(entry) for entry in report.losses]
    if report.facts:
        out.append(_section("Details", "", *map(fact_table, report.facts)))
    return out


def _header(report: Report) -> Element:
    return element(
        "header", None,
        element("p", {"class": "mark"}, "ilk"),
        element("h1", None, report.title),
        element("p", {"class": "verdict"}, report.verdict),
    )  # fmt: skip


def _footer() -> Element:
    return element("footer", None, "This page is one file. It loads nothing from elsewhere.")


def _section(title: str, lead: str, *content: Element, kind: str = "") -> Element:
    leads = [element("p", {"class": "lead"}, lead)] if lead else []
    return element(
        "section",
        {"class": kind} if kind else None,
        element("h2", None, title),
        *leads,
        *content,
    )


def _results(results: Results) -> Element:
    plots = [
        element(
            "figure", None,
            element("figcaption", None, element("b", None, measure)),
            intervals(measure, results.rows, number, results.chance),
        )
        for number, measure in enumerate(results.measures)
    ]  # fmt: skip
    dashed = ""
    if results.chance is not None:
        dashed = f" The dotted line is the accuracy of guessing, {percent(results.chance)}."
    return _section(
        "Accuracy",
        f"The dots are accuracies on test images, the bars their 95 % intervals.{dashed}",
        element("div", {"class": "plots"}, *plots),
        score_table(results),
        element("p", {"class": "note"}, results.note),
    )


def _chapter(chapter: Chapter) -> Element:
    plots = [element("div", {"class": "plots"}, *map(_figure, chapter.figures))]
    return _section(
        chapter.title,
        chapter.lead,
        *(plots if chapter.figures else ()),
        *map(text_table, chapter.grids),
        *map(count_table, chapter.matrices),
        *(element("p", {"class": "note"}, line) for line in chapter.lines),
        *_lookup_rows(chapter.lookups),
        *(part for name, images in chapter.images for part in _strip(name, images)),
        *_look_grid(chapter.looks),
        *_pair_grid(chapter.pairs),
        kind="long",
    )


def _strip(name: str, images: Sequence[CaptionedImage]) -> list[Element]:
    heads = [element("h3", None, name)] if name else []
    return [*heads, element("div", {"class": "strip"}, *map(figure, images))]


def _look_grid(looks: Sequence[ImageViews]) -> list[Element]:
    """Images and what was made of each, as many beside one another as there is room for."""
    cells = [
        element("div", {"class": "strip"}, *map(figure, (entry.image, *entry.made)))
        for entry in looks
    ]
    return [element("div", {"class": "trios"}, *cells)] if cells else []


def _pair_grid(pairs: Sequence[CropPair]) -> list[Element]:
    return [element("div", {"class": "pairs"}, *map(joined, pairs))] if pairs else []


def _figures(figures: Sequence[Figure]) -> Element:
    return _section(
        "Learning curves",
        FAINT if any(crowded(line) for entry in figures for line in entry.lines) else "",
        element("div", {"class": "plots"}, *(_figure(entry) for entry in figures)),
    )


def _figure(entry: Figure) -> Element:
    keys = [
        element(
            "span", {"class": "key"},
            sample(number), f"{line.name} {shown(line.points[-1][1], entry.form)}".strip(),
        )
        for number, line in enumerate(entry.lines)
        if line.name or entry.form
    ]  # fmt: skip
    note = [element("p", {"class": "note"}, entry.note)] if entry.note else []
    caption = element("figcaption", None, element("b", None, entry.title), *keys)
    return element("figure", None, caption, curves(entry), *note)


def _image_views(looks: Sequence[ImageViews]) -> Element:
    rows = []
    for entry in looks:
        images = (figure(image) for image in (entry.image, *entry.made))
        rows.append(element("div", {"class": "looks strip"}, *images))
    return _section(
        "Views",
        "Each row shows an image of the data and the views that the method makes of it. The "
        "caption of a mixed view names the images that it is made of and their shares; the bar "
        "below it shows the same.",
        *rows,
        kind="long",
    )


def _lookups(lookups: Sequence[Lookup]) -> Element:
    return _section(
        "Nearest neighbours",
        "Each row shows a test image and the training images that are nearest to it by cosine "
        "similarity. Neighbours with the same label are framed and ticked; labels were not "
        "used in training.",
        *_lookup_rows(lookups),
        kind="long",
    )


def _loss(section: LossSection) -> Element:
    return _section(
        f"Positives and negatives in the {section.term} loss",
        section.lead,
        *_lookup_rows(section.lookups),
        kind="long",
    )


def _lookup_rows(lookups: Sequence[Lookup]) -> list[Element]:
    rows: list[Element] = []
    for entry in lookups:
        spaces = []
        for name, found in entry.found:
            spaces.append(element("h3", None, name))
            spaces.append(element("div", {"class": "strip"}, *(_neighbour(n) for n in found)))
        rows.append(
            element(
                "div", {"class": "lookup"}, figure(entry.query), element("div", None, *spaces)
            )
        )
    return rows


def _neighbour(neighbour: Neighbour) -> Element:
    if neighbour.agrees is None:
        return figure(neighbour.image)
    kind, path = ("tick", TICK) if neighbour.agrees else ("cross", CROSS)
    sign = element(
        "svg",
        {
            "viewBox": "0 0 12 12",
            "class": kind,
            "role": "img",
            "aria-label": "same label" if neighbour.agrees else "another label",
        },
        element("path", {"d": path}),
    )
    made = figure(neighbour.image, sign)
    made.set("class", "mate" if neighbour.agrees else "stranger")
    return made
