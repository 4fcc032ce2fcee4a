"""Accuracy on corrupted test images."""

from collections.abc import Iterator, Mapping
from typing import Any, cast

from ilk.core import UserError
from ilk.corruptions import COMMON
from ilk.evaluate import Result, relative_to
from ilk.viewer.report import MISSING, Chapter, Figure, Grid, Line

Encoders = Mapping[str, Mapping[str, Result]]

LEAD = (
    "The linear probe was fitted on clean images and is measured on corrupted ones. The curve"
    " is the mean over the common corruptions of ImageNet-C; bands are 95 % intervals over test"
    " images."
)


def corruptions(encoders: Encoders) -> list[Chapter]:
    """For each robustness protocol accuracy by severity, by corruption, and corruption errors.

    Args:
        encoders: results by protocol, of each by its name. The first is put in relation to the
            others.
    """
    protocols = dict.fromkeys(
        protocol
        for results in encoders.values()
        for protocol, result in results.items()
        if "clean_accuracy" in result.details
    )
    return [
        _chapter(name, {who: rs[name] for who, rs in encoders.items() if name in rs})
        for name in protocols
    ]


def _chapter(protocol: str, found: Mapping[str, Result]) -> Chapter:
    figure = Figure(
        title="Accuracy by severity",
        lines=tuple(_by_severity(name, result) for name, result in found.items()),
        note="Severity 0 is the clean image.",
        form="{:.0%}",
        x="severity",
        y="accuracy",
    )
    details = {name: cast("dict[str, Any]", result.details) for name, result in found.items()}
    named = dict.fromkeys(name for d in details.values() for name in d["accuracy"])
    rows = [
        ("clean", *(f"{100 * d['clean_accuracy']:.1f} %" for d in details.values())),
        *(
            (
                f"{name.replace('_', ' ')}{'' if name in COMMON else ' (extra)'}",
                *(_mean(d["accuracy"].get(name)) for d in details.values()),
            )
            for name in named
        ),
        ("calibration error, clean", *(f"{d['clean_ece']:.3f}" for d in details.values())),
        ("calibration error, corrupted", *(f"{d['mean_ece']:.3f}" for d in details.values())),
    ]
    grid = Grid(
        caption="Accuracy under each corruption, mean over severities",
        heads=("Corruption", *found),
        rows=tuple(rows),
    )
    return Chapter(
        title=f"Corrupted images: {protocol}",
        lead=LEAD,
        figures=(figure,),
        grids=(grid,),
        lines=tuple(_errors(found)),
    )


def _by_severity(name: str, result: Result) -> Line:
    details = cast("dict[str, Any]", result.details)
    clean = details["clean_accuracy"]
    points = [(0.0, clean, clean, clean)]
    points += [
        (float(p["severity"]), p["accuracy"], p["low"], p["high"])
        for p in details["by_severity"]
    ]
    return Line(
        name=name,
        points=tuple((at, value) for at, value, _, _ in points),
        band=tuple((low, high) for _, _, low, high in points),
    )


def _mean(accuracies: list[float] | None) -> str:
    if accuracies is None:
        return MISSING
    return f"{100 * sum(accuracies) / len(accuracies):.1f} %"


def _errors(found: Mapping[str, Result]) -> Iterator[str]:
    """Mean corruption errors of the first by each of the others."""
    (first, ours), *others = found.items()
    for name, theirs in others:
        try:
            errors = relative_to(ours, theirs)
        except UserError as error:
            yield f"Against {name}: {error}."
            continue
        if errors is not None:
            yield (
                f"With {name} as the reference, {first} has a mean corruption error (mCE) of"
                f" {100 * errors.mce:.1f} % and a relative one of"
                f" {100 * errors.relative_mce:.1f} %; values below 100 % are better than it."
            )
