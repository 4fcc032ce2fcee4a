"""The tables of few labels, from JSON files: what was measured so far, and what is missing."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.grid import RESULTS, kept_cells, unpacked
from benchmarks.semi import (
    ALL,
    ALONE,
    CHOICE,
    ENCODER,
    METHODS,
    MISMATCHED,
    NAME,
    PROBE,
    SCRATCH,
    SHARES,
    STARTS,
    STEPS,
    cell_name,
)
from benchmarks.semi_reasons import REASONS
from ilk.evaluate import difference_over_seeds, mean_over_seeds
from ilk.study import SEMI

TITLES = {ALONE: "labels alone", PROBE: "own encoder + linear probe", ALL: "all labels"}
BESIDE = {SCRATCH: "from scratch", ENCODER: "from the encoder"}
MISMATCH = "mismatch"
ONE_CLASS = 0.5  # of the answers, where a tenth is right
FEW = 0.1  # of the predictions, of which hardly anything is learned


@dataclass(frozen=True, kw_only=True)
class Found:
    """The scores of one cell.

    Args:
        name: name of the cell.
        right: a row a split, a column a test image.
        commonest: share of the test images that it gives one class, over all splits; None
            where it has no classifier of its own.
        sure: share of the predictions above the threshold at the last step; likewise.
    """

    name: str
    right: np.ndarray
    commonest: float | None = None
    sure: float | None = None

    @property
    def words(self) -> str:
        """Mean and interval; least and most where there are several splits."""
        mean = mean_over_seeds(self.right)
        low, high = (100 * end for end in mean.interval)
        words = f"{100 * mean.mean:.1f} % ({low:.1f} to {high:.1f})"
        each = 100 * self.right.mean(1)
        several = f"; {each.min():.1f} to {each.max():.1f} in {len(each)} splits"
        return words + (several if len(each) > 1 else "")


def page(results: Path = RESULTS) -> str:
    """Both kinds of tables.

    Args:
        results: folder that holds the folder of this grid.
    """
    place = results / NAME
    measured = any(place.glob("*.json"))
    lines = [
        f"Top-1 accuracy on CIFAR-10's test images by `{SEMI.name}`, with {STEPS:,} steps, "
        "`resnet_mini` and 10,000 images: mean with its 95 % interval, and the least and the "
        "most of several splits. With one split the interval covers test images alone, and "
        f"another split may reverse an order; {SEMI.splits} splits are the least for a figure "
        "to be quoted. What a run ends with is scored once; no checkpoint is chosen. Where "
        "labels alone do better, what a method ended with says why if it can: that most "
        "of its answers are one class, or that hardly any prediction was sure enough to count.",
    ]
    if not measured:
        return "\n".join([*lines, "", "Not measured yet: `make semi` does it."]) + "\n"
    lines += ["", "![Methods beside labels alone, with intervals](images/few-labels.svg)"]
    for per_class in SEMI.per_class:
        lines += ["", *table(place, per_class)]
    lines += ["", *why(results / CHOICE)]
    return "\n".join([*lines, "", *mismatch(place)]) + "\n"


def table(place: Path, per_class: int) -> Iterator[str]:
    """Every method with so many labels a class, and what stands beside them."""
    amount = str(per_class)
    names = [cell_name(m, amount, start) for m in METHODS for start in STARTS]
    names += [cell_name(PROBE, amount), *(cell_name(ALL, "", start) for start in STARTS)]
    by = {name: one for name in names if (one := found(place, name))}
    yield f"**{per_class} labels a class:**"
    yield ""
    yield f"| method | {' | '.join(BESIDE[start] for start in STARTS)} |"
    yield "|---|---|---|"
    yield _row(ALONE, [by.get(cell_name(ALONE, amount, start)) for start in STARTS])
    yield _row(PROBE, [None, by.get(cell_name(PROBE, amount))])
    for method in METHODS:
        if method != ALONE:
            yield _row(method, [by.get(cell_name(method, amount, start)) for start in STARTS])
    yield _row(ALL, [by.get(cell_name(ALL, "", start)) for start in STARTS])
    yield from _below(
        by, amount, [m for m in METHODS if m != ALONE], f"{amount} labels a class"
    )
    yield from _missing(names, by)


def why(place: Path) -> Iterator[str]:
    """What one change does to methods that did worse than labels alone."""
    rows = [
        f"| {reason.words} | {one.words} |"
        for reason in REASONS
        if (one := found(place, cell_name("why", reason.name)))
    ]
    yield (
        f"**Why some do worse than labels alone**: {SEMI.per_class[-1]} labels a class, scored "
        "on validation images (`python -m benchmarks.semi --why`):"
    )
    yield ""
    yield from ["| cell | accuracy |", "|---|---|", *rows] if rows else ["Not measured yet."]


def mismatch(place: Path) -> Iterator[str]:
    """Every method by the share of unlabelled images of other classes."""
    alone = [cell_name(ALONE, MISMATCH, start) for start in STARTS]
    rows = {
        (method, start): [cell_name(method, f"{MISMATCH}-{share}", start) for share in SHARES]
        for start in STARTS
        for method in METHODS
        if method != ALONE
    }
    names = [*alone, cell_name(PROBE, MISMATCH), *(n for row in rows.values() for n in row)]
    by = {name: one for name in names if (one := found(place, name))}
    yield (
        f"**Unlabelled images of other classes**, {MISMATCHED} labels a class of six animals "
        '(`make semi SEMI="--mismatch 0,25,50,75,100"`), by the share of other classes:'
    )
    if not by:
        yield ""
        yield "Not measured yet."
        return
    yield ""
    yield f"| method | start | {' | '.join(f'{share} %' for share in SHARES)} |"
    yield "|---|---|" + "---|" * len(SHARES)
    for name, start in zip(alone, STARTS, strict=True):
        yield _wide(ALONE, start, [by.get(name)] * len(SHARES))
    yield _wide(PROBE, ENCODER, [by.get(cell_name(PROBE, MISMATCH))] * len(SHARES))
    for (method, start), row in rows.items():
        yield _wide(method, start, [by.get(name) for name in row])
    for share in SHARES:
        methods = [m for m in METHODS if m != ALONE]
        yield from _below(by, f"{MISMATCH}-{share}", methods, f"{share} % of other classes")
    yield from _missing(names, by)


def found(place: Path, name: str) -> Found | None:
    """The scores of a cell over its splits; None where there are none."""
    kept = kept_cells(place, name)
    if not kept:
        return None
    results = [cell["results"][0] for cell in kept]
    sure = [w["pseudo_share"] for c in kept if "pseudo_share" in (w := c.get("watched", {}))]
    return Found(
        name=name,
        right=np.stack([unpacked(result) for result in results]),
        commonest=_commonest(results),
        sure=float(np.mean(sure)) if sure else None,
    )


def _commonest(results: Sequence[Mapping[str, Any]]) -> float | None:
    """The share of the answers that are the commonest one, over all splits."""
    tables = [r["details"].get("confusion", {}).get("images") for r in results]
    if not all(tables):
        return None
    return float(np.mean([np.sum(t, 0).max() / np.sum(t) for t in tables]))


def _below(
    by: dict[str, Found], labelled: str, methods: Sequence[str], where: str
) -> Iterator[str]:
    """A line for each start where labels alone, or the probe, do better than a method."""
    amount = MISMATCH if labelled.startswith(MISMATCH) else labelled
    for rival, start in ((ALONE, SCRATCH), (ALONE, ENCODER), (PROBE, ENCODER)):
        theirs = by.get(cell_name(rival, amount, "" if rival == PROBE else start))
        ours = [by.get(cell_name(method, labelled, start)) for method in methods]
        pairs = [(m, one) for m, one in zip(methods, ours, strict=True) if one and theirs]
        worse = [part for m, one in pairs if (part := _behind(m, one, theirs))]
        if worse:
            words = {ALONE: "labels alone do", PROBE: "the linear probe does"}[rival]
            yield ""
            yield (
                f"**Warning**, {where}, {BESIDE[start]}: {words} better than "
                f"{', '.join(worse)}."
            )


def _behind(method: str, ours: Found, theirs: Found | None) -> str:
    """The method and how much worse it is; empty if it is not."""
    if theirs is None:
        return ""
    apart = difference_over_seeds(theirs.right, ours.right)
    if apart.difference <= 0:
        return ""
    said = [f"by {100 * apart.difference:.1f} points"]
    if apart.interval[0] <= 0:
        said.append("within the interval")
    elif ours.commonest is not None and ours.commonest > ONE_CLASS:
        said.append(f"{100 * ours.commonest:.0f} % of its answers are one class")
    elif ours.sure is not None and ours.sure < FEW:
        said.append(f"{100 * ours.sure:.0f} % of its predictions count")
    return f"{method} ({', '.join(said)})"


def _missing(names: Sequence[str], by: dict[str, Found]) -> Iterator[str]:
    lacking = [name for name in names if name not in by]
    if lacking:
        yield ""
        yield (
            f"Not measured yet, {len(lacking)} of {len(names)} cells: "
            f"{', '.join(f'`{name}`' for name in lacking)}."
        )


def _row(method: str, sides: Sequence[Found | None]) -> str:
    words = " | ".join("" if one is None else one.words for one in sides)
    return f"| {TITLES.get(method, method)} | {words} |"


def _wide(method: str, start: str, shares: Sequence[Found | None]) -> str:
    words = " | ".join("" if one is None else one.words for one in shares)
    return f"| {TITLES.get(method, method)} | {start} | {words} |"
