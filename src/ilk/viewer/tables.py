"""Tables of a page; each scrolls inside itself where it is wider than the page."""

from collections.abc import Iterable, Iterator, Sequence
from xml.etree.ElementTree import Element

from ilk.viewer.markup import element
from ilk.viewer.plots import percent
from ilk.viewer.report import MISSING, Facts, Grid, Matrix, Results, Score

SENTENCE = 32  # letters from which on a text needs room


def text_table(grid: Grid) -> Element:
    """A table of texts: numbers stand to the right, names and sentences to the left."""
    columns = list(zip(*grid.rows, strict=True)) or [()] * len(grid.heads)
    kinds = ["", *map(_kind, columns[1:])]
    heads = (
        _cell("th", name, kind, scope="col")
        for name, kind in zip(grid.heads, kinds, strict=True)
    )
    rows = (
        element(
            "tr", None,
            element("th", {"scope": "row"}, name),
            *(_cell("td", text, kind) for text, kind in zip(rest, kinds[1:], strict=True)),
        )
        for name, *rest in grid.rows
    )  # fmt: skip
    stacked = " stacked" if "words" in kinds else ""
    return _table(f"results{stacked}", grid.caption, heads, rows)


def _kind(column: Sequence[str]) -> str:
    """The class of a column's cells; empty for numbers and what stands in their place."""
    if any(len(text) > SENTENCE for text in column):
        return "words"
    texts = [text for text in column if text not in ("", MISSING)]
    return "" if all(text[0].isdigit() or text[0] in "+-" for text in texts) else "name"


def count_table(matrix: Matrix) -> Element:
    """A square table of counts, each cell as dark as its share of the row."""
    heads = (element("th", {"scope": "col"}, name) for name in matrix.names)
    rows = (
        element("tr", None, element("th", {"scope": "row"}, name), *_shaded(counts))
        for name, counts in zip(matrix.names, matrix.counts, strict=True)
    )
    return _table("matrix", matrix.caption, (element("td"), *heads), rows)


def score_table(results: Results) -> Element:
    """Accuracies with their intervals."""
    heads = [element("th", {"scope": "col"}, name) for name in ("Encoder", *results.measures)]
    rows = [
        element(
            "tr", {"class": "ours"} if row.ours else None,
            element("th", {"scope": "row"}, row.name),
            *(_score(score) for score in row.scores),
        )
        for row in results.rows
    ]  # fmt: skip
    return _table("results", "The same accuracies and 95 % intervals as numbers", heads, rows)


def fact_table(facts: Facts) -> Element:
    """Names and values below a title that unfolds them."""
    rows = [
        element("tr", None, element("th", {"scope": "row"}, name), element("td", None, value))
        for name, value in facts.rows
    ]
    table = element("table", {"class": "facts"}, element("tbody", None, *rows))
    return element("details", None, element("summary", None, facts.title), table)


def _table(
    kind: str, caption: str, heads: Iterable[Element], rows: Iterable[Element]
) -> Element:
    table = element(
        "table", {"class": kind},
        element("caption", None, element("span", None, caption)),
        element("thead", None, element("tr", None, *heads)),
        element("tbody", None, *rows),
    )  # fmt: skip
    # With a place in the order of the tab key it scrolls by the keyboard too.
    region = {"class": "wide", "role": "region", "aria-label": caption, "tabindex": "0"}
    return element("div", region, table)


def _cell(tag: str, text: str, kind: str, **attributes: str) -> Element:
    return element(tag, {**attributes, **({"class": kind} if kind else {})}, text)


def _shaded(counts: Sequence[int]) -> Iterator[Element]:
    total = max(sum(counts), 1)
    for count in counts:
        style = f"--share: {count / total:.3f}"
        yield element("td", {"style": style}, f"{count:,}" if count else "")


def _score(score: Score | None) -> Element:
    if score is None:
        return element("td", None, MISSING)
    span = f"{100 * score.low:.1f} to {100 * score.high:.1f}"
    value = element("span", {"class": "value"}, percent(score.value))
    return element("td", None, value, " ", element("span", {"class": "span"}, span))
