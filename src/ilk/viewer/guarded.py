"""Given weights before and after training, and where their guard turned a run back."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ilk.core import UserError
from ilk.core.fields import (
    FLAG,
    Kind,
    check_fields,
    fixed,
    listed,
    maybe,
    number,
    one_of,
    text,
    whole,
)
from ilk.viewer.learning import metrics
from ilk.viewer.plots import percent
from ilk.viewer.report import Chapter, Figure, Grid, Line

SHARE, STEP = number(0, 1), whole(0, 10**12)
SCORED = {"step": STEP, "value": SHARE, "low": SHARE, "high": SHARE}
MEASURED = {"rankme": maybe(number(0, 1e9)), "lidar": maybe(number(0, 1e9))}
LOOK: Kind = fixed({**SCORED, **MEASURED})
FIELDS: Mapping[str, Kind] = {
    "decides": FLAG,
    "key": one_of("knn", "stable"),
    "score": text(200),
    "images": whole(0, 10**9),
    "start": LOOK,
    "last": LOOK,
    "turns": listed(fixed({"step": STEP, "to": STEP, "why": text(1000)}), 100),
    "difference": number(-1, 1),
    "interval": listed(number(-2, 2), 2),
    "words": text(1000),
    "worse": maybe(text(1000)),
    "rank": maybe(fixed(dict.fromkeys(("left", "low", "high"), number(0, 1e9)))),
    "labelled": maybe(
        fixed(
            {"images": whole(0, 10**9), "start": SHARE, "last": SHARE,
             "difference": number(-1, 1), "interval": listed(number(-2, 2), 2)}
        )
    ),
}  # fmt: skip
LEAD = (
    "The run began with given weights, which are what is to be beaten. They and the encoder"
    " were scored on the same images, and the interval is that of the paired difference."
)
STABLE = (
    " The score is the share of its nearest neighbours that an image keeps when every image is"
    " replaced by an augmented view. It needs no labels, but a method that learns to be stable"
    " under views raises it by itself: a fall says more than a rise. RankMe says how many"
    " dimensions features use; a run turns back when less than half of it is left. With a few"
    " hundred labelled images k-NN accuracy would tell more."
)


def guarded(runs: Mapping[str, tuple[Path, Mapping[str, Any]]]) -> list[Chapter]:
    """A chapter for each run that began with given weights and was scored.

    Args:
        runs: directory and record of each encoder that was trained, by its name.
    """
    chapters = (_chapter(name, place, record) for name, (place, record) in runs.items())
    return [chapter for chapter in chapters if chapter is not None]


def _chapter(name: str, place: Path, record: Mapping[str, Any]) -> Chapter | None:
    try:
        guard = check_fields(
            record.get("guard"),
            FIELDS,
            "guard",
            optional=("worse", "rank", "labelled"),
            others=True,
        )
        rows = _rows(guard)
    except (UserError, ValueError):  # of none, or of a stranger
        return None
    last = guard["last"]
    caption = (
        f"The given weights and those of step {last['step']:,}, {guard['images']:,} images"
    )
    grid = Grid(
        caption=caption, heads=("Score", "Given", "After", "Difference"), rows=tuple(rows)
    )
    return Chapter(
        title=f"Given weights: was it worth it? {name}",
        lead=LEAD + (STABLE if guard["key"] == "stable" else ""),
        figures=_figures(guard, metrics(place / "metrics.jsonl")),
        grids=(grid,),
        lines=tuple(_lines(guard)),
    )


def _rows(guard: Mapping[str, Any]) -> list[tuple[str, str, str, str]]:
    """The scores before and after."""
    start, last, few = guard["start"], guard["last"], guard.get("labelled")
    ends, (low, high) = (percent(start["value"]), percent(last["value"])), guard["interval"]
    rows = [(guard["score"], *ends, _points(guard["difference"], low, high))]
    for key, called in (("rankme", "RankMe"), ("lidar", "LiDAR")):
        if start[key] is not None and last[key] is not None:
            change = f"{last[key] - start[key]:+.1f}"
            rows.append((called, f"{start[key]:.1f}", f"{last[key]:.1f}", change))
    if few is not None:
        called = f"k-NN accuracy, {few['images']:,} labelled images"
        ends, (low, high) = (percent(few["start"]), percent(few["last"])), few["interval"]
        rows.append((called, *ends, _points(few["difference"], low, high)))
    return rows


def _figures(
    guard: Mapping[str, Any], rows: Sequence[Mapping[str, float]]
) -> tuple[Figure, ...]:
    key, start = guard["key"], guard["start"]
    looks = [(row["step"] + 1, row[key]) for row in rows if key in row and "step" in row]
    if not looks:
        return ()
    turns = tuple(float(turn["step"]) for turn in guard["turns"])
    points = ((0.0, start["value"]), *looks)
    ends = (points[0][0], points[-1][0])
    band = ((start["low"], start["high"]),) * 2
    level = tuple((end, start["value"]) for end in ends)
    return (
        Figure(
            title="k-NN accuracy" if key == "knn" else "Share of stable neighbours",
            lines=(
                Line(name="encoder", points=points),
                Line(name="given weights", points=level, band=band),
            ),
            note="At a dotted line the run went back to its best weights and to a lower"
            " learning rate." if turns else "",
            form="{:.1%}",
            x="step",
            y="share of images" if key == "knn" else "share of neighbours",
            marks=turns,
        ),
    )  # fmt: skip


def _lines(guard: Mapping[str, Any]) -> list[str]:
    out = [f"The {guard['score']} of the encoder is {guard['words']}."]
    if guard.get("worse") is not None:
        out.append(f"At the end {guard['worse']}.")
    if not guard["decides"]:
        out.append("The guard was off: nothing would have turned the run back.")
    for turn in guard["turns"]:
        to = f"the weights of step {turn['to']:,}" if turn["to"] else "the given weights"
        out.append(f"After step {turn['step']:,} {turn['why']}, and {to} were put back.")
    return out


def _points(difference: float, low: float, high: float) -> str:
    return f"{100 * difference:+.1f} ({100 * low:+.1f} to {100 * high:+.1f})"
