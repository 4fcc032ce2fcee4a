"""Plots as SVG elements, drawn in the page's own colours so that they follow light and dark."""

import itertools
import math
from collections.abc import Sequence
from dataclasses import replace
from xml.etree.ElementTree import Element

from ilk.viewer.markup import element
from ilk.viewer.names import shortened
from ilk.viewer.report import Figure, Line, Score, ScoreRow
from ilk.viewer.ticks import label, ticks

WIDTH, HEIGHT = 340.0, 206.0
LEFT, RIGHT, TOP, BOTTOM = 46.0, 10.0, 26.0, 36.0  # margins of a curve
ROW, AXIS = 46.0, 44.0  # heights in a plot of intervals
NAME = 36  # letters of a name that fit beside a value
CROWDED = 120  # points from which on a running mean is drawn over a curve
NARROW = "\N{NARROW NO-BREAK SPACE}"
Point = tuple[float, float]


def curves(figure: Figure) -> Element:
    """Curves over one x axis; a noisy curve is drawn faintly below its running mean."""
    lines = [_laid_out(line, figure.across) for line in figure.lines]
    xs, ys = zip(*(point for line in lines for point in line.points), strict=True)
    ends = [*ys, *(end for line in lines for pair in line.band for end in pair)]
    up = ticks(min(ends), max(ends), 4)
    place = _Frame(min(xs), max(*xs, min(xs) + 1e-9), up[0], up[-1])
    drawn = [_horizontal(place, tick, figure.form) for tick in up]
    drawn += _verticals(place, figure.across, min(xs), max(xs))
    drawn += [_mark(place.x(x)) for x in _across(figure.marks, figure.across)]
    drawn.append(_text(figure.x, (LEFT + WIDTH - RIGHT) / 2, HEIGHT - 4, "middle", "axis"))
    drawn.append(_text(figure.y, 2, 12, "start", "axis"))
    for number, line in enumerate(lines):
        drawn += _drawn(line, place, number)
    return _canvas(HEIGHT, f"{figure.title} over {figure.x}", _summary(figure), drawn)


def intervals(
    title: str, rows: Sequence[ScoreRow], measure: int, chance: float | None
) -> Element:
    """A dot and its interval for each row, from 0 to 100 %.

    Args:
        title: what is measured.
        rows: from top to bottom.
        measure: position of the score that is drawn.
        chance: drawn as a dashed line.
    """
    there = [(row, s) for row in rows if (s := row.scores[measure]) is not None]
    bottom = ROW * len(there)
    drawn: list[Element] = []
    for tick in (0.0, 0.25, 0.5, 0.75, 1.0):
        x = _share(tick)
        drawn.append(_line(x, 4, x, bottom + 4, "grid"))
        drawn.append(_text(shown(tick, "{:.0%}"), x, bottom + 20, "middle"))
    if chance is not None:
        drawn.append(_line(_share(chance), 4, _share(chance), bottom + 4, "chance"))
    for number, (row, score) in enumerate(there):
        drawn += _whiskers(row, score, ROW * number)
    drawn.append(_text("accuracy", _share(0.5), bottom + 38, "middle", "axis"))
    text = "; ".join(f"{row.name} {percent(score.value)}" for row, score in there)
    return _canvas(bottom + AXIS, title, text, drawn)


def sample(number: int) -> Element:
    """A piece of a figure's curve by its number, for a legend."""
    line = _line(0, 4, 24, 4, f"curve {_series(number)}")
    return element("svg", {"viewBox": "0 0 24 8", "aria-hidden": "true"}, line)


def crowded(line: Line) -> bool:
    """Whether a running mean is drawn over a curve."""
    return len(line.points) > CROWDED


def percent(share: float) -> str:
    """A share as a person reads it."""
    return f"{100 * share:.1f}{NARROW}%"


def shown(number: float, form: str) -> str:
    """A number in a form, its percent sign held close by."""
    return form.format(number).replace("%", f"{NARROW}%")


class _Frame:
    """From numbers to places on the canvas."""

    def __init__(self, left: float, right: float, low: float, high: float) -> None:
        self.left, self.low = left, low
        self.across = (WIDTH - LEFT - RIGHT) / (right - left)
        self.up = (HEIGHT - TOP - BOTTOM) / (high - low)

    def x(self, number: float) -> float:
        return LEFT + (number - self.left) * self.across

    def y(self, number: float) -> float:
        return HEIGHT - BOTTOM - (number - self.low) * self.up


def _drawn(line: Line, place: _Frame, number: int) -> list[Element]:
    """A curve and a dot at its end; colour and dashes go by its number."""
    colour, faint = _series(number), crowded(line)
    out = _band(line, place, colour)
    out.append(_path(line.points, place, f"curve {colour}{' faint' if faint else ''}"))
    smooth = _running_mean(line.points) if faint else line.points
    if faint:
        out.append(_path(smooth, place, f"curve {colour}"))
    x, y = smooth[-1]
    out.append(element("circle", {"cx": place.x(x), "cy": place.y(y), "r": 3, "class": colour}))
    return out


def _series(number: int) -> str:
    """Classes of a curve: sixteen pairs of colour and dashes, neighbours differ in both."""
    return f"colour-{number % 4 + 1} dash-{(number + number // 4) % 4 + 1}"


def _laid_out(line: Line, across: str) -> Line:
    """The line with x as it is drawn."""
    xs = _across([x for x, _ in line.points], across)
    return replace(line, points=tuple(zip(xs, (y for _, y in line.points), strict=True)))


def _across(xs: Sequence[float], across: str) -> list[float]:
    return [x if across == "linear" else math.log10(x) for x in xs]


def _mark(x: float) -> Element:
    return _line(x, TOP, x, HEIGHT - BOTTOM, "chance")


def _verticals(place: "_Frame", across: str, low: float, high: float) -> list[Element]:
    if across == "linear":
        return [_vertical(place, t, t) for t in ticks(low, high, 5) if low <= t <= high]
    steps = (1, 2, 5) if high - low < 2 else (1,)
    powers = range(math.floor(low), math.ceil(high) + 1)
    marks = [step * 10.0**power for power in powers for step in steps]
    return [
        _vertical(place, math.log10(t), t)
        for t in marks
        if low - 1e-9 <= math.log10(t) <= high + 1e-9
    ]


def _band(line: Line, place: "_Frame", colour: str) -> list[Element]:
    """The area between low and high; a bar where there is one point only."""
    if not line.band:
        return []
    xs = [place.x(x) for x, _ in line.points]
    lows, highs = ([place.y(pair[end]) for pair in line.band] for end in (0, 1))
    if len(xs) == 1:
        return [_line(xs[0], lows[0], xs[0], highs[0], f"bar {colour}")]
    around = [*zip(xs, lows, strict=True), *reversed([*zip(xs, highs, strict=True)])]
    points = " ".join(f"{x:.2f},{y:.2f}" for x, y in around)
    return [element("polygon", {"points": points, "class": f"band {colour}"})]


def _path(points: Sequence[Point], place: _Frame, kind: str) -> Element:
    pairs = " ".join(f"{place.x(x):.2f},{place.y(y):.2f}" for x, y in points)
    return element("polyline", {"points": pairs, "class": kind})


def _running_mean(points: Sequence[Point]) -> list[Point]:
    """The mean over a window of a fortieth of the curve around each point."""
    half = max(len(points) // 80, 2)
    sums = [0.0, *itertools.accumulate(y for _, y in points)]
    spans = ((max(i - half, 0), min(i + half + 1, len(points))) for i in range(len(points)))
    means = ((sums[stop] - sums[start]) / (stop - start) for start, stop in spans)
    return [(x, mean) for (x, _), mean in zip(points, means, strict=True)]


def _whiskers(row: ScoreRow, score: Score, top: float) -> list[Element]:
    kind = "ours" if row.ours else "other"
    y, low, high = top + 32, _share(score.low), _share(score.high)
    ends = f"{percent(score.low)} to {percent(score.high)}"
    text = f"{row.name}: {percent(score.value)}, 95 % interval {ends}"
    return [
        _text(shortened(row.name, NAME), _share(0), top + 18, "start", f"name {kind}"),
        _text(percent(score.value), _share(1), top + 18, "end", f"value {kind}"),
        element(
            "g", {"class": f"interval {kind}"},
            element("title", None, text),
            _line(low, y, high, y, "span"),
            _line(low, y - 4, low, y + 4, "end"),
            _line(high, y - 4, high, y + 4, "end"),
            element("circle", {"cx": _share(score.value), "cy": y, "r": 4.5}),
        ),
    ]  # fmt: skip


def _share(share: float) -> float:
    return 14 + share * (WIDTH - 28)


def _horizontal(place: _Frame, tick: float, form: str) -> Element:
    text = shown(tick, form) if form.endswith("%}") else label(tick)
    y = place.y(tick)
    return element(
        "g", None,
        _line(LEFT, y, WIDTH - RIGHT, y, "grid"),
        _text(text, LEFT - 7, y + 4, "end"),
    )  # fmt: skip


def _vertical(place: _Frame, at: float, tick: float) -> Element:
    return _text(label(tick), place.x(at), HEIGHT - BOTTOM + 16, "middle")


def _summary(figure: Figure) -> str:
    return "; ".join(
        f"{line.name} from {line.points[0][1]:.3g} to {line.points[-1][1]:.3g}".strip()
        for line in figure.lines
    )


def _canvas(height: float, title: str, text: str, drawn: list[Element]) -> Element:
    box = f"0 0 {WIDTH:g} {height:g}"
    described = f"{title}: {text}"
    return element("svg", {"viewBox": box, "role": "img", "aria-label": described}, *drawn)


def _line(x1: float, y1: float, x2: float, y2: float, kind: str) -> Element:
    return element("line", {"x1": x1, "y1": y1, "x2": x2, "y2": y2, "class": kind})


def _text(text: str, x: float, y: float, anchor: str, kind: str = "tick") -> Element:
    return element("text", {"x": x, "y": y, "text-anchor": anchor, "class": kind}, text)
