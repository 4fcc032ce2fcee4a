"""How encoders of a report were trained: settings, length, status and last numbers."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ilk.core import holder
from ilk.train.records.legs import in_words
from ilk.viewer.report import Chapter, Grid

ENDED = "finished"


def trained(runs: Mapping[str, tuple[Path, Mapping[str, Any]]]) -> list[Chapter]:
    """A table of the runs; none where no encoder is one.

    Args:
        runs: directory and record of each encoder that was trained, by its name.
    """
    if not runs:
        return []
    states = {name: state(record, place) for name, (place, record) in runs.items()}
    rows = tuple((name, *_row(record), states[name]) for name, (_, record) in runs.items())
    grid = Grid(caption="As each run's record says", heads=("Encoder", *HEADS), rows=rows)
    lines = tuple(
        f"{name} has not been trained to its end: {states[name]}."
        for name, (_, record) in runs.items()
        if record.get("status") != ENDED
    )
    lead = "What was trained, on what, and how far."
    return [Chapter(title="Training", lead=lead, grids=(grid,), lines=lines)]


HEADS = (
    "Method", "Backbone", "Images", "Length", "Seed", "Minutes", "Loss", "Rank", "k-NN",
    "Status",
)  # fmt: skip


def state(record: Mapping[str, Any], place: Path) -> str:
    """Where a run stands, such as ``interrupted at step 40 of 100``.

    A run that says it is running while no process holds its lock is ``dead``: it was killed, or
    its disk cannot lock.

    Args:
        record: of the run.
        place: its directory.
    """
    status = str(record.get("status", "unknown"))
    if status == ENDED:
        return status
    if status in {"started", "running"} and holder(place / "run.json") is None:
        status = "dead"
    return f"{status} at step {record.get('step', 0)} of {record['length']['steps']}"


def _row(record: Mapping[str, Any]) -> Sequence[str]:
    settings, length, last = record["settings"], record["length"], record.get("last", {})
    parts = (settings.get("method"), settings.get("kin"), settings.get("mix"))
    return (
        " + ".join(str(part) for part in parts if part),
        f"{settings.get('backbone')}, {settings.get('image_size')} px",
        f"{record['data']['items']:,}",
        in_words(length),
        str(settings.get("seed")),
        f"{record.get('seconds', 0) / 60:.1f}",
        _number(last, "loss", "{:.3f}"),
        _number(last, "rankme", "{:.0f}"),
        _number(last, "knn", "{:.1%}"),
    )


def _number(last: Mapping[str, Any], name: str, form: str) -> str:
    return form.format(last[name]) if name in last else "not measured"
