"""Curves of accuracy over the number of labelled images."""

from collections.abc import Mapping
from typing import Any, cast

from ilk.evaluate import Result
from ilk.viewer.report import Chapter, Figure, Line

LEAD = (
    "The curves show accuracy by the number of labelled images, equally many of each class."
    " Bands are 95 % intervals over draws of labels and over test images."
)


def few_labels(encoders: Mapping[str, Mapping[str, Result]]) -> list[Chapter]:
    """A figure for each way to use labels, with a curve for each encoder, and a summary.

    Args:
        encoders: results by protocol, of each by its name; nothing is drawn where none has
            few-label results, with fine-tuning or without.
    """
    found = {
        name: [r for protocol, r in results.items() if protocol.startswith("few-label")]
        for name, results in encoders.items()
    }
    if not any(found.values()):
        return []
    curves = {
        name: {
            way: points
            for result in results
            for way, points in cast("dict[str, Any]", result.details["curves"]).items()
        }
        for name, results in found.items()
    }
    ways = dict.fromkeys(way for ways in curves.values() for way in ways)
    figures = tuple(
        Figure(
            title=way[0].upper() + way[1:],
            lines=tuple(_line(name, c[way]) for name, c in curves.items() if way in c),
            form="{:.0%}",
            x="labelled images",
            y="accuracy",
            across="logarithmic",
        )
        for way in ways
    )
    words = tuple(
        f"{name}: {line}." for name, rs in found.items() for r in rs for line in r.words
    )
    title = "How many labels does it take?"
    return [Chapter(title=title, lead=LEAD, figures=figures, lines=words)]


def _line(name: str, points: list[dict[str, Any]]) -> Line:
    """Ascending in labels; amounts that come to the same number are one point."""
    by_labels = {point["labels"]: point for point in points}
    ordered = [by_labels[labels] for labels in sorted(by_labels)]
    return Line(
        name=name,
        points=tuple((float(p["labels"]), p["value"]) for p in ordered),
        band=tuple((p["low"], p["high"]) for p in ordered),
    )
