"""The plot of few labels: methods beside labels alone, a panel for each number of labels."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from benchmarks import svg
from benchmarks.grid import RESULTS
from benchmarks.semi import (
    ALL,
    ALONE,
    ENCODER,
    METHODS,
    NAME,
    PROBE,
    SCRATCH,
    STARTS,
    cell_name,
)
from benchmarks.semi_page import BESIDE, TITLES, Found, found
from ilk.evaluate import mean_over_seeds
from ilk.study import SEMI

PLOT = Path(__file__).parents[1] / "docs" / "images" / "few-labels.svg"
COLOURS = {SCRATCH: svg.BLUE, ENCODER: svg.VERMILION}
WIDTH, LABELS, GAP, ROW, TOP, BOTTOM = 800.0, 176.0, 16.0, 20.0, 58.0, 44.0
TICK = 10  # points between two lines
ROWS = (*METHODS, PROBE, ALL)
Place = Callable[[float], float]
Span = tuple[float, float, float]  # where an interval begins, its mean, where it ends


def drawn(results: Path = RESULTS) -> str:
    """A row a method, a panel for each number of labels; dashed lines are labels alone.

    Args:
        results: folder that holds the folder of the grid.
    """
    panels = [spans(results / NAME, per_class) for per_class in SEMI.per_class]
    ends = [end for panel in panels for span in panel.values() for end in span]
    low, high = min(ends, default=0.0) - 0.01, max(ends, default=1.0) + 0.01
    bottom = TOP + ROW * len(ROWS)
    wide = (WIDTH - LABELS) / len(panels)
    parts = [
        svg.text(8, TOP + ROW * (number + 0.5) + 4, TITLES.get(name, name))
        for number, name in enumerate(ROWS)
    ]
    parts += legend()
    for number, (per_class, panel) in enumerate(zip(SEMI.per_class, panels, strict=True)):
        left = LABELS + wide * number

        def place(share: float, left: float = left) -> float:
            return left + (share - low) / (high - low) * (wide - GAP)

        middle = left + (wide - GAP) / 2
        parts.append(svg.text(middle, TOP - 12, f"{per_class} labels a class", "middle"))
        parts += [*axis(low, high, bottom, place), *shapes(panel, bottom, place)]
    middle = LABELS + (WIDTH - LABELS) / 2
    title = "top-1 accuracy on CIFAR-10's test images, percent"
    parts.append(svg.text(middle, bottom + 36, title, "middle"))
    said = "What methods for few labels learn beside labels alone, with intervals"
    return svg.page(WIDTH, bottom + BOTTOM, said, parts)


def spans(place: Path, per_class: int) -> Mapping[tuple[str, str], Span]:
    """What was measured with so many labels, by row and start."""
    cells = {
        (name, start): cell_name(name, str(per_class), start)
        for name in METHODS
        for start in STARTS
    }
    cells |= {(PROBE, ENCODER): cell_name(PROBE, str(per_class))}
    cells |= {(ALL, start): cell_name(ALL, "", start) for start in STARTS}
    return {key: span(one) for key, name in cells.items() if (one := found(place, name))}


def span(one: Found) -> Span:
    """Mean and interval of a cell over its splits."""
    mean = mean_over_seeds(one.right)
    return mean.interval[0], mean.mean, mean.interval[1]


def legend() -> Iterator[str]:
    """The names of both starts."""
    for number, start in enumerate(STARTS):
        x = LABELS + 260.0 * number
        yield svg.marked((x, x + 10, x + 20), 14, start == ENCODER, COLOURS[start])
        words = f"{BESIDE[start]} (dashed: labels alone)"
        yield svg.text(x + 28, 18, words, fill=COLOURS[start])


def axis(low: float, high: float, bottom: float, place: Place) -> Iterator[str]:
    """A faint line at every tenth."""
    for tick in range(0, 100 + TICK, TICK):
        if low <= tick / 100 <= high:
            x = place(tick / 100)
            yield f'<path d="M{x:.1f} {TOP - 4:g}V{bottom:g}" stroke="{svg.LIGHT}"/>'
            yield svg.text(x, bottom + 16, str(tick), "middle")


def shapes(panel: Mapping[tuple[str, str], Span], bottom: float, place: Place) -> Iterator[str]:
    """Labels alone as dashed lines, and each cell's value and interval."""
    for start in STARTS:
        if (ALONE, start) in panel:
            x = place(panel[ALONE, start][1])
            yield (
                f'<path d="M{x:.1f} {TOP - 4:g}V{bottom:g}" stroke="{COLOURS[start]}" '
                'stroke-dasharray="4 3"/>'
            )
    for (name, start), (low, mean, high) in panel.items():
        across = (place(low), place(mean), place(high))
        y = TOP + ROW * (ROWS.index(name) + 0.5)
        shape = svg.marked(across, y, start == ENCODER, COLOURS[start])
        said = (
            f"{TITLES.get(name, name)}, {BESIDE[start]}: {100 * mean:.1f} % "
            f"({100 * low:.1f} to {100 * high:.1f})"
        )
        yield f"<g><title>{said}</title>{shape}</g>"
