"""The report of several evaluations: who stands where, and how sure that is."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ilk.core import UserError
from ilk.evaluate import Ledger, Result, agreement
from ilk.train import read_record
from ilk.viewer.classes import classes
from ilk.viewer.differences import differences
from ilk.viewer.labelling import few_labels
from ilk.viewer.learning import learning_curves
from ilk.viewer.report import Chapter, Contender, Facts, Grid, Report, Results, Score
from ilk.viewer.seeds import Group, groups, over_seeds
from ilk.viewer.spoiling import corruptions
from ilk.viewer.training import trained

FILE = "evaluation.json"
ACCURACY = "top-1 accuracy"
LABEL_FREE = ("quality", "views-quality")


@dataclass(frozen=True, kw_only=True, slots=True)
class Standing:
    """An encoder and what was measured of it.

    Args:
        name: what the person called it, or with digits of its fingerprint where two encoders
            have one name.
        results: the latest of each protocol.
        names: what the person called encoder, train and test.
    """

    name: str
    results: dict[str, Result] = field(default_factory=dict[str, Result])
    names: dict[str, str] = field(default_factory=dict[str, str])

    @property
    def run(self) -> Path | None:
        """The directory of the run whose encoder it is, where it is one."""
        place = Path(self.names.get("encoder", ""))
        return place if (place / "run.json").is_file() else None


def standings(places: Sequence[Path]) -> list[Standing]:
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
    found: dict[str, Standing] = {}
    taken: dict[str, str] = {}
    for result, names in entries:
        if result.test_data != test:
            continue
        called = names.get("encoder", result.encoder[:12])
        if taken.setdefault(called, result.encoder) != result.encoder:
            called = f"{called} ({result.encoder[:6]})"
        standing = found.setdefault(called, Standing(name=called))
        standing.results[result.protocol] = result
        standing.names.update(names)
    return list(found.values())


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


def standings_report(
    found: Sequence[Standing], more: Sequence[Chapter] = (), notes: Sequence[str] = ()
) -> Report:
    """Tables with intervals, paired differences, curves of few labels, numbers without labels.

    Args:
        found: the first one is what the report is about.
        more: chapters that need images, such as mistakes.
        notes: what had to be left out.
    """
    first = next(iter(found[0].results.values()))
    protocols = dict.fromkeys(name for standing in found for name in standing.results)
    some = {n: next(s.results[n] for s in found if n in s.results) for n in protocols}
    accuracies = [name for name, result in some.items() if result.metric == ACCURACY]
    free = [name for name in protocols if _bare(name) in LABEL_FREE]
    rest = [name for name in protocols if name not in accuracies and name not in free]
    results = {standing.name: standing.results for standing in found}
    runs = {s.name: (s.run, read_record(s.run)) for s in found if s.run is not None}
    records = {name: runs[name][1] if name in runs else None for name in results}
    rows = groups(records)
    told = [f"{len(found)} encoders" if len(found) > 1 else "One encoder"]
    told.append(f"on {first.n_test:,} test images of {first.classes} classes.")
    chapters = [
        *trained(runs),
        *_other_measures(found, rest, some),
        *differences(results, rows),
        *classes(results),
        *few_labels(results),
        *corruptions(results),
        *_label_free(found, free),
        *more,
    ]
    return Report(
        title=f"How good is {found[0].name}?",
        verdict=" ".join([*told, *notes]),
        results=_accuracies(results, rows, accuracies, some) if accuracies else None,
        chapters=tuple(chapters),
        figures=learning_curves(found[0].run / "metrics.jsonl") if found[0].run else (),
        facts=tuple(
            _facts(standing, r) for standing in found for r in standing.results.values()
        ),
    )


def _accuracies(
    results: Mapping[str, Mapping[str, Result]],
    rows: Sequence[Group],
    names: Sequence[str],
    some: Mapping[str, Result],
) -> Results:
    """A row for each encoder, or for each group of seeds."""
    contenders = tuple(
        Contender(
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
        "; those of several seeds are t intervals over seeds and test images together"
        if several
        else "; they do not cover another seed of training"
    )
    shown = (own[name] for own in results.values() for name in names if name in own)
    kinds = dict.fromkeys(result.interval_kind for result in shown)  # results of other versions
    return Results(
        measures=tuple(names),
        rows=contenders,
        chance=1 / first.classes,
        note=f"{first.n_train:,} labelled training images. What a protocol had to choose was"
        f" chosen on a held-out part of train. Intervals: {' or '.join(kinds)}{seeds}.",
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
    found: Sequence[Standing], names: Sequence[str], some: Mapping[str, Result]
) -> list[Chapter]:
    if not names:
        return []
    heads = ("Encoder", *(f"{name}: {some[name].metric}" for name in names))
    rows = tuple(
        (standing.name, *(_told(standing.results.get(name)) for name in names))
        for standing in found
    )
    grid = Grid(caption="Values with their 95 % intervals", heads=heads, rows=rows)
    kinds = tuple(f"{name}: {some[name].interval_kind}." for name in names)
    lead = "Each by its own measure; larger is better."
    return [Chapter(title="By other protocols", lead=lead, grids=(grid,), lines=kinds)]


def _told(result: Result | None) -> str:
    if result is None:
        return "not measured"
    scale, unit = (100, " %") if result.unit == "%" else (1, "")
    value = f"{scale * result.value:.1f}{unit}"
    if result.interval is None:
        return value
    low, high = (scale * end for end in result.interval)
    return f"{value} ({low:.1f} to {high:.1f})"


def _label_free(found: Sequence[Standing], names: Sequence[str]) -> list[Chapter]:
    if not names:
        return []
    columns: dict[str, dict[str, str]] = {}
    for standing in found:
        for name in names:
            result = standing.results.get(name)
            for number, value in _numbers(result).items() if result else ():
                columns.setdefault(number, {})[standing.name] = value
    rows = tuple(
        (s.name, *(column.get(s.name, "not measured") for column in columns.values()))
        for s in found
    )
    grids = [Grid(caption="No label was used", heads=("Encoder", *columns), rows=rows)]
    told = agreement({s.name: list(s.results.values()) for s in found})
    if told:
        grids.append(
            Grid(
                caption="Spearman's rank correlation of each with k-NN accuracy",
                heads=("Number", "Correlation", "Encoders"),
                rows=tuple((t.name, f"{t.correlation:+.2f}", str(t.encoders)) for t in told),
            )
        )
    lead = (
        "Numbers that need no label. A small alignment and a low uniformity are good. Few"
        " encoders say little: of three, a number that means nothing agrees or disagrees fully"
        " one time in three."
    )
    return [Chapter(title="Without labels", lead=lead, grids=tuple(grids))]


def _numbers(result: Result) -> dict[str, str]:
    found = {result.metric: f"{result.value:.1f}"}
    told = {name: n for name, n in result.details.items() if isinstance(n, float)}
    return found | {name: f"{number:.3f}" for name, number in told.items()}


def _facts(standing: Standing, result: Result) -> Facts:
    entries: dict[str, Any] = {
        "metric": result.metric,
        "chosen": ", ".join(f"{k} {v:g}" for k, v in result.selected.items()) or "nothing",
        "chosen on": result.selected_on,
        "train": standing.names.get("train", "none"),
        "test": standing.names.get("test", ""),
        "seed": result.seed,
        "settings": result.settings,
        "protocol hash": result.protocol_hash,
        "encoder": result.encoder,
        "data of train": result.train_data or "none",
        "data of test": result.test_data,
        "date": result.date,
        "seconds": result.seconds,
        "version": result.version,
    }
    rows = tuple((name, str(value)) for name, value in entries.items())
    return Facts(title=f"{standing.name}, {result.protocol}", rows=rows)


def _bare(name: str) -> str:
    return name.partition("@")[0]
