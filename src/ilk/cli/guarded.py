"""Before and after of a run that began with given weights, for the terminal."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.table import Table

from ilk.core.counts import count

MEASURES = (("rankme", "RankMe"), ("lidar", "LiDAR"))


def guard_table(guard: Mapping[str, Any]) -> Table:
    """Scores of the given weights and of the encoder, with intervals where there are any.

    Args:
        guard: the entry of run.json.
    """
    start, last = guard["start"], guard["last"]
    table = Table(title=f"before and after, {count(guard['images'], 'image')}")
    for title in ("score", "given weights", f"encoder, step {last['step']}", "difference"):
        table.add_column(title, justify="left" if title == "score" else "right")
    low, high = guard["interval"]
    table.add_row(
        guard["score"],
        _share(start),
        _share(last),
        f"{100 * guard['difference']:+.1f} ({100 * low:+.1f} to {100 * high:+.1f})",
    )
    for key, name in MEASURES:
        if start[key] is not None and last[key] is not None:
            change = f"{last[key] - start[key]:+.1f}"
            if key == "rankme" and guard["rank"] is not None:
                left, low, high = (guard["rank"][end] for end in ("left", "low", "high"))
                change = f"{left:.0%} left ({100 * low:.0f} to {100 * high:.0f})"
            table.add_row(name, f"{start[key]:.1f}", f"{last[key]:.1f}", change)
    if (few := guard["labelled"]) is not None:
        low, high = few["interval"]
        table.add_row(
            f"k-NN accuracy, {count(few['images'], 'labelled image')}",
            f"{few['start']:.1%}",
            f"{few['last']:.1%}",
            f"{100 * few['difference']:+.1f} ({100 * low:+.1f} to {100 * high:+.1f})",
        )
    return table


def guard_words(guard: Mapping[str, Any]) -> str:
    """Whether training was worth it, in a sentence.

    Args:
        guard: the entry of run.json.
    """
    low, _ = guard["interval"]
    if guard["worse"] is not None:
        return f"At the end {guard['worse']}, so keep the given weights: start.safetensors"
    worth = (
        "which does not say whether training was worth it; labelled images would"
        if guard["key"] == "stable"  # which methods raise by themselves
        else "so training was worth it"
        if low > 0
        else "so it is open whether training was worth it"
    )
    returned = ""
    if guard["turns"]:
        turn = guard["turns"][0]
        returned = (
            f"; the run turned back at step {turn['step']} and went on at a tenth of the "
            f"learning rate"
        )
    return f"The {guard['score']} is {guard['words']}, {worth}{returned}"


def stopped_words(record: Mapping[str, Any], directory: Path) -> str:
    """What happened to a run that its guard has stopped, and what to do.

    Args:
        record: its run.json.
        directory: the run's.
    """
    guard = record["guard"]
    last, peak = guard["last"]["step"], record["peak_lr"]
    kept = f"the weights of step {last}" if last else "the weights that were given"
    first, second = guard["turns"]
    return (
        f"The guard stopped the run, which had to turn back twice: after step {first['step']} "
        f"{first['why']}, and after step {second['step']}, at a tenth of the learning rate, "
        f"{second['why']}. The encoder in {directory} has {kept}, the best that were met. "
        f'Begin again with lr={peak / 100:.2g} or less, or with anchor="cosine"; guard="off" '
        f"goes on whatever comes"
    )


def guard_answer(record: Mapping[str, Any]) -> dict[str, Any]:
    """The same for programs."""
    names = ("score", "images", "start", "last", "difference", "interval", "turns")
    return {name: record["guard"][name] for name in names}


def _share(scores: Mapping[str, float]) -> str:
    return f"{scores['value']:.1%} ({100 * scores['low']:.1f} to {100 * scores['high']:.1f})"
