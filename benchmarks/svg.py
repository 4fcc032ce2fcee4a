"""Text and frame of the plots that are written as SVG."""

from collections.abc import Sequence

INK, FAINT, LIGHT = "#27272a", "#71717a", "#e4e4e7"
# Okabe and Ito's blue and vermilion, which differ to every kind of sight; shapes differ too.
BLUE, VERMILION = "#0072b2", "#d55e00"


def page(width: float, height: float, title: str, parts: Sequence[str]) -> str:
    """A plot with its parts on white.

    Args:
        width: how wide the plot is, in its own units.
        height: likewise how high.
        title: what a screen reader says of it.
        parts: elements, drawn in their order.
    """
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}" '
        f'font-family="sans-serif" font-size="12" fill="{INK}" role="img">\n'
        f"<title>{title}</title>\n"
        f'<rect width="{width:g}" height="{height:g}" fill="white"/>\n'
        + "\n".join(parts)
        + "\n</svg>\n"
    )


def text(
    x: float, y: float, content: str, anchor: str = "start", fill: str = "", weight: str = ""
) -> str:
    """A line of text at a place."""
    further = {"text-anchor": anchor, "fill": fill, "font-weight": weight}
    named = "".join(f' {name}="{given}"' for name, given in further.items() if given)
    return f'<text x="{x:.1f}" y="{y:.1f}"{named}>{content}</text>'


def marked(
    across: tuple[float, float, float], y: float, square: bool, colour: str, fill: str = ""
) -> str:
    """An interval's bar, and a circle or a square where the value is.

    Args:
        across: where the interval begins, the value is and the interval ends.
        y: place from the top.
        square: whether it is no circle.
        colour: what bar and outline have.
        fill: what the shape has within; the colour where none is named.
    """
    low, at, high = across
    look = f'fill="{fill or colour}" stroke="{colour}" stroke-width="2"'
    shape = (
        f'<rect x="{at - 4.5:.1f}" y="{y - 4.5:.1f}" width="9" height="9" {look}/>'
        if square
        else f'<circle cx="{at:.1f}" cy="{y:.1f}" r="5" {look}/>'
    )
    bar = f'<path d="M{low:.1f} {y:.1f}H{high:.1f}" stroke="{colour}" stroke-width="2"/>'
    return bar + shape
