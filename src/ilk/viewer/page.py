"""A report as one page that needs nothing else: no address outside, no script."""

from collections.abc import Iterator, Sequence
from importlib import resources
from pathlib import Path
from string import Template
from xml.etree.ElementTree import Element

from ilk.core import write_whole
from ilk.viewer.images import figure
from ilk.viewer.markup import element, html
from ilk.viewer.plots import curves, intervals, percent, shown
from ilk.viewer.report import (
    Chapter,
    Facts,
    Figure,
    Grid,
    Kinship,
    Looks,
    Lookup,
    Matrix,
    Neighbour,
    Report,
    Results,
    Score,
)

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
        out.append(_looks(report.looks))
    if report.lookups:
        out.append(_lookups(report.lookups))
    out += [_kinship(entry) for entry in report.kinships]
    if report.facts:
        out.append(_section("The run", "", *(_facts(group) for group in report.facts)))
    return out


def _header(report: Report) -> Element:
    return element(
        "header", None,
        element("p", {"class": "mark"}, "ilk"),
        element("h1", None, report.title),
        element("p", {"class": "verdict"}, report.verdict),
    )  # fmt: skip


def _footer() -> Element:
    return element("footer", None, "This page is complete in itself: it loads nothing.")


def _section(title: str, lead: str, *content: Element, kind: str = "") -> Element:
    told = [element("p", {"class": "lead"}, lead)] if lead else []
    return element(
        "section",
        {"class": kind} if kind else None,
        element("h2", None, title),
        *told,
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
        dashed = f" The dashed line is chance, {percent(results.chance)}."
    return _section(
        "What it knows",
        f"Accuracy on test images, with 95 % intervals.{dashed}",
        element("div", {"class": "plots"}, *plots),
        _result_table(results),
        element("p", {"class": "note"}, results.note),
    )


def _chapter(chapter: Chapter) -> Element:
    plots = [element("div", {"class": "plots"}, *map(_figure, chapter.figures))]
    return _section(
        chapter.title,
        chapter.lead,
        *(plots if chapter.figures else ()),
        *map(_grid, chapter.grids),
        *map(_matrix, chapter.matrices),
        *(element("p", {"class": "note"}, line) for line in chapter.lines),
        *_lookup_rows(chapter.lookups),
        kind="long",
    )


def _grid(grid: Grid) -> Element:
    heads = (element("th", {"scope": "col"}, name) for name in grid.heads)
    rows = (
        element(
            "tr", None,
            element("th", {"scope": "row"}, name),
            *(element("td", None, told) for told in rest),
        )
        for name, *rest in grid.rows
    )  # fmt: skip
    return element(
        "table", {"class": "results"},
        element("caption", None, grid.caption),
        element("thead", None, element("tr", None, *heads)),
        element("tbody", None, *rows),
    )  # fmt: skip


def _matrix(matrix: Matrix) -> Element:
    heads = (element("th", {"scope": "col"}, name) for name in ("", *matrix.names))
    rows = (
        element("tr", None, element("th", {"scope": "row"}, name), *_shaded(counts))
        for name, counts in zip(matrix.names, matrix.counts, strict=True)
    )
    table = element(
        "table", {"class": "matrix"},
        element("caption", None, matrix.caption),
        element("thead", None, element("tr", None, *heads)),
        element("tbody", None, *rows),
    )  # fmt: skip
    return element("div", {"class": "wide"}, table)


def _shaded(counts: Sequence[int]) -> Iterator[Element]:
    """Cells as dark as their share of the row."""
    total = max(sum(counts), 1)
    for count in counts:
        style = f"--share: {count / total:.3f}"
        yield element("td", {"style": style}, f"{count:,}" if count else "")


def _result_table(results: Results) -> Element:
    heads = [element("th", {"scope": "col"}, name) for name in ("Features", *results.measures)]
    rows = [
        element(
            "tr", {"class": "ours"} if row.ours else None,
            element("th", {"scope": "row"}, row.name),
            *(_score(score) for score in row.scores),
        )
        for row in results.rows
    ]  # fmt: skip
    return element(
        "table", {"class": "results"},
        element("caption", None, "The same numbers, with their 95 % intervals"),
        element("thead", None, element("tr", None, *heads)),
        element("tbody", None, *rows),
    )  # fmt: skip


def _score(score: Score | None) -> Element:
    if score is None:
        return element("td", None, "not measured")
    span = f"{100 * score.low:.1f} to {100 * score.high:.1f}"
    value = element("span", {"class": "value"}, percent(score.value))
    return element("td", None, value, " ", element("span", {"class": "span"}, span))


def _figures(figures: Sequence[Figure]) -> Element:
    return _section(
        "How it learned",
        "Faint lines are single steps, strong ones their running mean.",
        element("div", {"class": "plots"}, *(_figure(entry) for entry in figures)),
    )


def _figure(entry: Figure) -> Element:
    keys = [
        element(
            "span", {"class": f"key series-{number % 4 + 1}"},
            f"{line.name} {shown(line.points[-1][1], entry.form)}".strip(),
        )
        for number, line in enumerate(entry.lines)
        if line.name or entry.form
    ]  # fmt: skip
    note = [element("p", {"class": "note"}, entry.note)] if entry.note else []
    caption = element("figcaption", None, element("b", None, entry.title), *keys)
    return element("figure", None, caption, curves(entry), *note)


def _looks(looks: Sequence[Looks]) -> Element:
    rows = []
    for entry in looks:
        pictures = (figure(picture) for picture in (entry.image, *entry.made))
        rows.append(element("div", {"class": "looks strip"}, *pictures))
    return _section(
        "What it saw",
        "An image of the data, then views the method makes of it. A mixed view says which "
        "images it is made of and in which shares; the bar below it shows the same.",
        *rows,
        kind="long",
    )


def _lookups(lookups: Sequence[Lookup]) -> Element:
    return _section(
        "What it holds for kin",
        "Test images, and the training images nearest to them. Those with the same label are "
        "framed and ticked; labels were not used in training.",
        *_lookup_rows(lookups),
        kind="long",
    )


def _kinship(kinship: Kinship) -> Element:
    return _section(
        f"Kin in the {kinship.term} loss",
        kinship.told,
        *_lookup_rows(kinship.lookups),
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
        return figure(neighbour.picture)
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
    made = figure(neighbour.picture, sign)
    made.set("class", "mate" if neighbour.agrees else "stranger")
    return made


def _facts(facts: Facts) -> Element:
    rows = [
        element("tr", None, element("th", {"scope": "row"}, name), element("td", None, value))
        for name, value in facts.rows
    ]
    table = element("table", {"class": "facts"}, element("tbody", None, *rows))
    return element("details", None, element("summary", None, facts.title), table)
