"""The report of one or more evaluations: accuracies, intervals and differences."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ilk.core import UserError
from ilk.evaluate import Ledger, Result, agreement
from ilk.train.records.record import FINISHED, read_record, run_state
from ilk.viewer.classes import classes
from ilk.viewer.corrupted import corruptions
from ilk.viewer.differences import differences
from ilk.viewer.few_labels import few_labels
from ilk.viewer.guarded import guarded
from ilk.viewer.learning import learning_curves
from ilk.viewer.names import fitting_words, measure_name
from ilk.viewer.report import MISSING, Chapter, Facts, Grid, Report, Results, Score, ScoreRow
from ilk.viewer.seeds import Group, groups, over_seeds
from ilk.viewer.staged import staged
from ilk.viewer.training import trained

FILE = "evaluation.json"
ACCURACY = "top-1 accuracy"
LABEL_FREE = ("quality", "views-quality")


@dataclass(frozen=True, kw_only=True, slots=True)
class EvaluatedEncoder:
    """An encoder and what was measured of it.

    Args:
        name: as it was called, with digits of its fingerprint where two encoders have one
            name, and with the state of its run where that has not finished.
        results: the latest of each protocol.
        names: as encoder, train and test were called.
    """

    name: str
    results: dict[str, Result] = field(default_factory=dict[str, Result])
    names: dict[str, str] = field(default_factory=dict[str, str])

    @property
    def run(self) -> Path | None:
        """The directory of the run whose encoder it is, where it is one."""
        place = Path(self.names.get("encoder", ""))
        return place if (place / "run.json").is_file() else None


def read_evaluations(places: Sequence[Path]) -> list[EvaluatedEncoder]:
    """Every encoder in some evaluations, in the order they are met.

    Only results on the test images of the first are kept: others cannot be compared.

    Args:
        places: run directories that were evaluated, or files that ``ilk evaluate`` wrote.

    Raises:
        UserError: one is neither, or there is nothing in them.
    """
    entries = [entry for place in places for entry in _entries(place)]
    if not entries:
        raise UserError("report: the evaluations must hold results, they are empty")
    test = entries[0][0].test_data
    found: dict[str, EvaluatedEncoder] = {}
    taken: dict[str, str] = {}
    for result, names in entries:
        if result.test_data != test:
            continue
        called = _named(names, result)
        if taken.setdefault(called, result.encoder) != result.encoder:
            called = f"{called} ({result.encoder[:6]})"
        encoder = found.setdefault(called, EvaluatedEncoder(name=called))
        encoder.results[result.protocol] = result
        encoder.names.update(names)
    return list(found.values())


def _named(names: Mapping[str, str], result: Result) -> str:
    """What an encoder is called wherever it is drawn."""
    called = names.get("encoder", result.encoder[:12])
    place = Path(called)
    if not (place / "run.json").is_file():
        return called
    record = read_record(place)
    return (
        called if record.get("status") == FINISHED else f"{called} ({run_state(record, place)})"
    )


def _entries(place: Path) -> list[tuple[Result, Mapping[str, str]]]:
    path = place / FILE if place.is_dir() else place
    if not path.is_file():
        raise UserError(
            f"report: {place} must be a run that was evaluated or a file that ilk evaluate"
            f" wrote, there is no {path}; call ilk evaluate first"
        )
    try:
        return Ledger(path).entries
    except UserError as error:
        raise UserError(
            f"report: {path} must be what this version of ilk evaluate wrote, got '{error}';"
            f" evaluate again into another file"
        ) from error


def evaluations_report(
    found: Sequence[EvaluatedEncoder], more: Sequence[Chapter] = (), notes: Sequence[str] = ()
) -> Report:
    """Tables with intervals, paired differences, curves of few labels, numbers without labels.

    Args:
        found: the first one is what the report is about.
        more: chapters that need images, such as mistakes.
        notes: what had to be left out.
    """
    first = next(iter(found[0].results.values()))
    protocols = dict.fromkeys(name for encoder in found for name in encoder.results)
    some = {n: next(s.results[n] for s in found if n in s.results) for n in protocols}
    accuracies = [name for name, result in some.items() if result.metric == ACCURACY]
    free = [name for name in protocols if _bare(name) in LABEL_FREE]
    rest = [name for name in protocols if name not in accuracies and name not in free]
    results = {encoder.name: encoder.results for encoder in found}
    runs = {s.name: (s.run, read_record(s.run)) for s in found if s.run is not None}
    records = {name: runs[name][1] if name in runs else None for name in results}
    rows = groups(records)
    what = f"{len(found)} encoders" if len(found) > 1 else "one encoder"
    summary = (
        f"This page shows how well {what} did on {first.n_test:,} test images of"
        f" {first.classes} classes."
    )
    chapters = [
        *trained(runs),
        *guarded(runs),
        *staged(runs),
        *_other_measures(found, rest, some),
        *differences(results, rows),
        *classes(results),
        *few_labels(results),
        *corruptions(results),
        *_label_free(found, free),
        *more,
    ]
    return Report(
        title=f"Evaluation of {found[0].name}",
        verdict=" ".join([summary, *notes]),
        results=_accuracies(results, rows, accuracies, some) if accuracies else None,
        chapters=tuple(chapters),
        figures=learning_curves(found[0].run / "metrics.jsonl") if found[0].run else (),
        facts=tuple(_facts(encoder, r) for encoder in found for r in encoder.results.values()),
    )


def _accuracies(
    results: Mapping[str, Mapping[str, Result]],
    rows: Sequence[Group],
    names: Sequence[str],
    some: Mapping[str, Result],
) -> Results:
    """A row for each encoder, or for each group of seeds."""
    score_rows = tuple(
        ScoreRow(
            name=group.name,
            scores=tuple(_score(group, results, name) for name in names),
            ours=group is rows[0],
        )
        for group in rows
        if any(name in results[member] for member in group.members for name in names)
    )
    first = some[names[0]]
    several = any(len(group.members) > 1 for group in rows)
    seeds = (
        "Rows of several seeds have t intervals over seeds and test images together."
        if several
        else "They do not cover another seed of training."
    )
    shown = (own[name] for own in results.values() for name in names if name in own)
    kinds = dict.fromkeys(result.interval_kind for result in shown)  # results of other versions
    return Results(
        measures=tuple(map(measure_name, names)),
        rows=score_rows,
        chance=1 / first.classes,
        note=f"{fitting_words(names, first.n_train)} The intervals are of this kind:"
        f" {' or '.join(kinds)}. {seeds}",
    )


def _score(
    group: Group, results: Mapping[str, Mapping[str, Result]], protocol: str
) -> Score | None:
    mean = over_seeds(group, results, protocol)
    if mean is not None:
        low, high = mean.interval
        return Score(value=mean.mean, low=low, high=high)
    result = results[group.members[0]].get(protocol)
    if result is None or len(group.members) > 1:
        return None
    low, high = result.bounds
    return Score(value=result.value, low=low, high=high)


def _other_measures(
    found: Sequence[EvaluatedEncoder], names: Sequence[str], some: Mapping[str, Result]
) -> list[Chapter]:
    if not names:
        return []
    heads = ("Encoder", *(f"{name}: {some[name].metric}" for name in names))
    rows = tuple(
        (encoder.name, *(_value(encoder.results.get(name)) for name in names))
        for encoder in found
    )
    grid = Grid(caption="Values with their 95 % intervals", heads=heads, rows=rows)
    kinds = tuple(
        f"The intervals of {name} are of this kind: {some[name].interval_kind}."
        for name in names
    )
    lead = "Each protocol has a measure of its own, of which larger values are better."
    return [Chapter(title="Other protocols", lead=lead, grids=(grid,), lines=kinds)]


def _value(result: Result | None) -> str:
    if result is None:
        return MISSING
    scale, unit = (100, " %") if result.unit == "%" else (1, "")
    value = f"{scale * result.value:.1f}{unit}"
    if result.interval is None:
        return value
    low, high = (scale * end for end in result.interval)
    return f"{value} ({low:.1f} to {high:.1f})"


def _label_free(found: Sequence[EvaluatedEncoder], names: Sequence[str]) -> list[Chapter]:
    if not names:
        return []
    columns: dict[str, dict[str, str]] = {}
    for encoder in found:
        for name in names:
            result = encoder.results.get(name)
            for number, value in _numbers(result).items() if result else ():
                columns.setdefault(number, {})[encoder.name] = value
    rows = tuple(
        (s.name, *(column.get(s.name, MISSING) for column in columns.values())) for s in found
    )
    grids = [Grid(caption="Measures that use no label", heads=("Encoder", *columns), rows=rows)]
    correlations = agreement({s.name: list(s.results.values()) for s in found})
    if correlations:
        grids.append(
            Grid(
                caption="Spearman's rank correlation of each measure with k-NN accuracy",
                heads=("Measure", "Correlation", "Encoders"),
                rows=tuple(
                    (one.name, f"{one.correlation:+.2f}", str(one.encoders))
                    for one in correlations
                ),
            )
        )
    lead = (
        "A small alignment and a low uniformity are good. With few encoders a correlation says"
        " little: with three, a meaningless measure agrees or disagrees fully one time in"
        " three."
    )
    return [Chapter(title="Measures without labels", lead=lead, grids=tuple(grids))]


def _numbers(result: Result) -> dict[str, str]:
    found = {result.metric: f"{result.value:.1f}"}
    numbers = {name: n for name, n in result.details.items() if isinstance(n, float)}
    return found | {name: f"{number:.3f}" for name, number in numbers.items()}


def _facts(encoder: EvaluatedEncoder, result: Result) -> Facts:
    entries: dict[str, Any] = {
        "metric": result.metric,
        "selected": ", ".join(f"{k} {v:g}" for k, v in result.selected.items()) or "nothing",
        "selected on": result.selected_on,
        "training images": encoder.names.get("train", "none"),
        "test images": encoder.names.get("test", ""),
        "seed": result.seed,
        "settings": result.settings,
        "protocol hash": result.protocol_hash,
        "fingerprint of the encoder": result.encoder,
        "fingerprint of the training images": result.train_data or "none",
        "fingerprint of the test images": result.test_data,
        "date": result.date,
        "seconds": result.seconds,
        "version": result.version,
    }
    rows = tuple((name, str(value)) for name, value in entries.items())
    return Facts(title=f"{encoder.name}, {result.protocol}", rows=rows)


def _bare(name: str) -> str:
    return name.partition("@")[0]
