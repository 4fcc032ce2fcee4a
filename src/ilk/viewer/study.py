"""The report of a study: one row for each method, over seeds, and their differences."""

from collections.abc import Mapping, Sequence

import numpy as np

from ilk.core.counts import count
from ilk.study import Difference, Row, Study, Summary, percentage_points
from ilk.train.records.record import FINISHED, RECORD, read_record, run_state
from ilk.viewer.facts import run_facts
from ilk.viewer.learning import metrics
from ilk.viewer.names import measure_name
from ilk.viewer.report import (
    Chapter,
    Facts,
    Figure,
    Grid,
    Line,
    Report,
    Results,
    Score,
    ScoreRow,
)


def study_report(study: Study, found: Summary, *, title: str) -> Report:
    """Means over seeds with intervals, every difference, curves and settings.

    Args:
        study: where the runs are.
        found: its summary.
        title: of the page.
    """
    best = max(found.rows, key=lambda row: _first(row, found.protocols[0]))
    return Report(
        title=title,
        verdict=" ".join([_verdict(found, best, len(study.test)), *_unfinished(study)]),
        results=_results(study, found, best),
        chapters=(
            *([_pace(found)] if any(row.minutes for row in found.rows) else []),
            *([_mixes(found)] if found.mixes else []),
            *([_differences(found)] if found.differences else []),
        ),
        figures=tuple(curve for curve in (_knn_curves(study),) if curve.lines),
        facts=_facts(study),
    )


def _first(row: Row, protocol: str) -> float:
    return row.means[protocol].mean if protocol in row.means else -1.0


def _verdict(found: Summary, best: Row, images: int) -> str:
    protocol = found.protocols[0]
    others = [row for row in found.rows if row is not best and protocol in row.means]
    between = [(row.name, found.between(best.name, row.name, protocol)) for row in others]
    equal = [name for name, one in between if one is not None and not one.sure]
    summary = (
        f"{best.name} has the highest {measure_name(protocol)}: "
        f"{100 * _first(best, protocol):.1f} % over "
        f"{count(best.means[protocol].seeds, 'seed')} and {images:,} test images."
    )
    if equal:
        return f"{summary} It does not differ significantly from {', '.join(equal)}."
    if not others or any(one is None for _, one in between):
        return summary
    row = "other row" if len(others) == len(found.rows) - 1 else "other row that was scored so"
    return f"{summary} It is significantly better than every {row} (p <= 0.05)."


def _unfinished(study: Study) -> list[str]:
    """A sentence for each run that has begun and has not finished."""
    return [
        f"The run of {cell.name} with seed {seed} is {run_state(record, place)}, so it does "
        "not count here."
        for cell, seed, place in study.places()
        if cell.settings is not None and (place / RECORD).exists()
        if (record := read_record(place))["status"] != FINISHED
    ]


def _results(study: Study, found: Summary, best: Row) -> Results:
    kinds = {mean.interval_kind for row in found.rows for mean in row.means.values()}
    return Results(
        measures=tuple(map(measure_name, found.protocols)),
        rows=tuple(
            ScoreRow(
                name=row.name,
                scores=tuple(_score(row, protocol) for protocol in found.protocols),
                ours=row is best,
            )
            for row in found.rows
        ),
        chance=1 / max(len(study.test.classes), 1),
        note="The dots are means over seeds. The intervals are of this kind: "
        f"{' or '.join(sorted(kinds))}.",
    )


def _score(row: Row, protocol: str) -> Score | None:
    mean = row.means.get(protocol)
    if mean is None:
        return None
    low, high = mean.interval
    return Score(value=mean.mean, low=low, high=high)


def _pace(found: Summary) -> Chapter:
    rows = tuple(
        (
            row.name,
            *(_spread(row, protocol) for protocol in found.protocols),
            f"{row.minutes:.1f}",
            f"{row.images_per_second:,.0f}",
        )
        for row in found.rows
        if row.minutes is not None and row.images_per_second is not None
    )
    grid = Grid(
        caption="Standard deviation between seeds in percentage points, and cost of training",
        heads=("Method", *found.protocols, "Minutes", "Images per second"),
        rows=rows,
    )
    lead = "The table shows how much the seed alone moves the accuracy, and what a run costs."
    return Chapter(title="Spread and cost", lead=lead, grids=(grid,))


def _spread(row: Row, protocol: str) -> str:
    mean = row.means.get(protocol)
    if mean is None or mean.spread is None:
        return "one seed"
    return f"{100 * mean.spread:.2f}"


def _mixes(found: Summary) -> Chapter:
    lines = tuple(
        f"{one.words}."
        for mixed, plain in found.mixes
        for protocol in found.protocols
        if (one := found.between(mixed, plain, protocol)) is not None
    )
    lead = "Each method with a mix is compared with the same method without it."
    return Chapter(title="Does mixing help?", lead=lead, lines=lines)


def _differences(found: Summary) -> Chapter:
    names = [row.name for row in found.rows]
    grids = tuple(
        Grid(
            caption=f"{protocol}: row minus column, in percentage points",
            heads=("Method", *names),
            rows=tuple(
                (ours, *(_cell(found.between(ours, theirs, protocol)) for theirs in names))
                for ours in names
            ),
        )
        for protocol in found.protocols
    )
    lead = (
        "Differences are paired over test images and independent over seeds. A star marks a "
        "difference that is significant at 5 % after Holm's correction for all pairs."
    )
    return Chapter(title="Differences between all pairs", lead=lead, grids=grids)


def _cell(one: Difference | None) -> str:
    if one is None:
        return ""
    return f"{percentage_points(one.found.difference):+.1f}{' *' if one.sure else ''}"


def _knn_curves(study: Study) -> Figure:
    """Online k-NN accuracy of each cell, the mean over seeds."""
    rows: dict[str, list[Mapping[float, float]]] = {}
    for cell, seed, place in study.places():
        lines_of_run = metrics(place / "metrics.jsonl") if study.trained(cell, seed) else []
        measured = {line["epoch"]: line["knn"] for line in lines_of_run if "knn" in line}
        if measured:
            rows.setdefault(cell.name, []).append(measured)
    lines = tuple(Line(name=name, points=_mean_curve(found)) for name, found in rows.items())
    return Figure(
        title="Online k-NN accuracy",
        lines=tuple(line for line in lines if line.points),
        form="{:.1%}",
        note="Means over seeds, measured on a held-out part of the training images.",
        y="accuracy",
    )


def _mean_curve(found: Sequence[Mapping[float, float]]) -> tuple[tuple[float, float], ...]:
    """At the epochs that every seed has."""
    shared = set.intersection(*(set(curve) for curve in found))
    return tuple((x, float(np.mean([curve[x] for curve in found]))) for x in sorted(shared))


def _facts(study: Study) -> tuple[Facts, ...]:
    """Settings of the first run of each cell."""
    out: list[Facts] = []
    for cell, seed, place in study.places():
        if seed == 0 and (place / "run.json").exists():
            (entry,) = run_facts({"settings": read_record(place)["settings"]})
            out.append(Facts(title=f"{cell.name}: settings", rows=entry.rows))
    return tuple(out)
