"""Elements of a page; text comes out escaped, and can do nothing but be read."""

from collections.abc import Mapping
from xml.etree.ElementTree import Element, tostring

from ilk.core import shown

Child = Element | str


def element(
    tag: str, attributes: Mapping[str, str | float] | None = None, *children: Child
) -> Element:
    """An element of HTML or SVG.

    Args:
        tag: its name.
        attributes: numbers are written with two decimals at most.
        children: elements and texts, in order.
    """
    made = Element(tag, {name: _written(given) for name, given in (attributes or {}).items()})
    for child in children:
        if isinstance(child, Element):
            made.append(child)
        elif len(made):
            made[-1].tail = (made[-1].tail or "") + shown(child)
        else:
            made.text = (made.text or "") + shown(child)
    return made


def html(made: Element) -> str:
    """The element as HTML in ASCII."""
    return tostring(made, encoding="us-ascii", method="html").decode("ascii")


def _written(given: str | float) -> str:
    return shown(given) if isinstance(given, str) else f"{given:.2f}".rstrip("0").rstrip(".")
