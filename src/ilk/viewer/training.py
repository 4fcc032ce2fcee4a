"""How the encoders of a report were trained: settings, length, status, last measurements."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ilk.train.records.legs import in_words
from ilk.train.records.metrics import METRICS
from ilk.train.records.record import FINISHED, read_record, run_state
from ilk.viewer.facts import run_facts
from ilk.viewer.guarded import guarded
from ilk.viewer.learning import learning_curves
from ilk.viewer.report import MISSING, Chapter, Grid, Report
from ilk.viewer.staged import staged


def training_report(places: Sequence[Path]) -> Report:
    """How runs learned, for those that were not evaluated: no label is needed for it.

    Args:
        places: directories of runs; curves and facts are of the first.

    Raises:
        UserError: one holds no run.
    """
    runs = {str(place): (place, read_record(place)) for place in places}
    first, record = runs[str(places[0])]
    return Report(
        title=f"Training of {first}",
        verdict="This page shows how the encoder was trained. It was not evaluated: accuracy on"
        " test images needs labels and ilk evaluate.",
        chapters=(*trained(runs), *guarded(runs), *staged(runs)),
        figures=learning_curves(first / METRICS),
        facts=run_facts(record),
    )


def trained(runs: Mapping[str, tuple[Path, Mapping[str, Any]]]) -> list[Chapter]:
    """A table of the runs; none where no encoder is one.

    Args:
        runs: directory and record of each encoder that was trained, by its name.
    """
    if not runs:
        return []
    states = {name: run_state(record, place) for name, (place, record) in runs.items()}
    rows = tuple((name, *_row(record), states[name]) for name, (_, record) in runs.items())
    caption = "Settings and last measurements of each run"
    grid = Grid(caption=caption, heads=("Encoder", *HEADS), rows=rows)
    lines = tuple(
        f"{name} has not finished its training."
        for name, (_, record) in runs.items()
        if record.get("status") != FINISHED
    )
    lines += tuple(
        f"{name} began with given weights. {_begun(tuned['words'])} learned:"
        f" {tuned['parameters']:,} of {tuned['of']:,} parameters of the backbone."
        for name, (_, record) in runs.items()
        if (tuned := record.get("tuned"))
    )
    lead = "The table shows what was trained, on which images and for how long."
    return [Chapter(title="Training", lead=lead, grids=(grid,), lines=lines)]


HEADS = (
    "Method", "Backbone", "Images", "Length", "Seed", "Minutes", "Loss", "Effective rank",
    "Online k-NN accuracy", "Status",
)  # fmt: skip


def _row(record: Mapping[str, Any]) -> Sequence[str]:
    settings, length, last = record["settings"], record["length"], record.get("last", {})
    parts = (settings.get("method"), settings.get("kin"), settings.get("mix"))
    return (
        " + ".join(str(part) for part in parts if part),
        f"{settings.get('backbone')}, {settings.get('image_size')} px",
        f"{record['data']['items'] - record['data'].get('again', 0):,}",
        in_words(length),
        str(settings.get("seed")),
        f"{record.get('seconds', 0) / 60:.1f}",
        _number(last, "loss", "{:.3f}"),
        _number(last, "rankme", "{:.0f}"),
        _number(last, "knn", "{:.1%}").replace("%", " %"),
    )


def _begun(words: str) -> str:
    """Words at the beginning of a sentence."""
    return words[:1].upper() + words[1:]


def _number(last: Mapping[str, Any], name: str, form: str) -> str:
    number = last.get(name)  # JSON has null for what is not finite
    return form.format(number) if isinstance(number, int | float) else MISSING
