"""What the stages of a run learned from one another."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ilk.core import UserError
from ilk.core.fields import Kind, check_fields, number, text, whole
from ilk.train.records.stages import STAGES, read_stages
from ilk.viewer.plots import percent
from ilk.viewer.report import MISSING, Chapter, Grid

COUNT, SHARE = whole(0, 10**12), number(0, 1)
FIELDS: Mapping[str, Kind] = {
    "by": text(200),
    "images": COUNT,
    "reached": COUNT,
    "taken": COUNT,
    "different": COUNT,
    "commonest": SHARE,
    "accuracy": SHARE,
    "accuracy_reached": SHARE,
}
SHARES = ("commonest", "accuracy", "accuracy_reached")
HEADS = (
    "Stage", "Labelled by", "Images", "Sure enough", "Taken", "Of them different",
    "Of one class", "Accuracy of all", "Accuracy of the sure ones",
)  # fmt: skip
LEAD = (
    "The run had several stages. Before a stage the network of an earlier one labelled the"
    " images without a label; those of which it was sure enough became pseudo-labels, perhaps"
    " several times each, so that classes are balanced. If nearly all predictions are of one"
    " class, they say little. How many are right is known where the images have labels that no"
    " stage saw."
)


def staged(runs: Mapping[str, tuple[Path, Mapping[str, Any]]]) -> list[Chapter]:
    """A table of pseudo-labels for each run that has stages.

    Args:
        runs: directory and record of each encoder that was trained, by its name.
    """
    chapters = (_chapter(name, place) for name, (place, _) in runs.items())
    return [chapter for chapter in chapters if chapter is not None]


def _chapter(name: str, place: Path) -> Chapter | None:
    if not (place / STAGES).is_file():
        return None
    try:
        rows = tuple(_row(entry) for entry in read_stages(place)["stages"])
    except UserError:  # of a stranger
        return None
    grid = Grid(caption="Pseudo-labels of each stage", heads=HEADS, rows=rows)
    return Chapter(title=f"Stages of {name}", lead=LEAD, grids=(grid,))


def _row(entry: Mapping[str, Any]) -> tuple[str, ...]:
    check_fields(entry, {"name": text(200)}, "stages", others=True)
    if "labels" not in entry:
        return (entry["name"], "labels alone", *[""] * (len(HEADS) - 2))
    known = check_fields(entry["labels"], FIELDS, "stages", optional=SHARES)
    counts = (f"{known[name]:,}" for name in ("images", "reached", "taken", "different"))
    shares = (
        percent(known[name]) if name in known else MISSING
        for name in SHARES
    )  # fmt: skip
    return (entry["name"], known["by"], *counts, *shares)
