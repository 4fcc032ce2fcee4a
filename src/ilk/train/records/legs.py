"""Legs of a run that was lengthened: each has a schedule of its own, from a step to a step.

In the record of such a run ``length`` holds ``legs`` beside ``steps`` and ``steps_per_epoch``.
A leg says ``from`` which step ``to`` which its schedule runs, ``when`` it was asked for, and
which ``settings`` of length asked for it. A leg may end before its schedule does: where the
next one begins.
"""

from collections.abc import Mapping
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

from ilk.core import UserError
from ilk.core.fields import (
    ANYTHING,
    Kind,
    check_fields,
    keyed,
    listed,
    maybe,
    number,
    text,
    whole,
)
from ilk.train.length import Length, length_of
from ilk.train.ranges import MOST_STEPS, RANGES
from ilk.train.settings import Settings

ASKED: Mapping[str, Kind] = {
    name: maybe(RANGES[name]) for name in ("epochs", "steps", "minutes")
}
LENGTH: Mapping[str, Kind] = {
    "steps": whole(1, MOST_STEPS),
    "steps_per_epoch": number(1e-6, 1e12),
    "legs": listed(keyed(ANYTHING), 10**4),
}
LEG: Mapping[str, Kind] = {
    "from": whole(0, MOST_STEPS),
    "to": whole(1, MOST_STEPS),
    "when": text(64),
    "settings": keyed(ANYTHING),
}


def check_length(length: Mapping[str, Any], where: str) -> None:
    """Refuse a length whose legs do not follow one another from step 0 to its last step.

    Args:
        length: of a record.
        where: it stands, for the message.

    Raises:
        UserError: it is not what it must be.
    """
    check_fields(length, LENGTH, where, optional=("legs",))
    if "legs" not in length:
        return
    legs = length["legs"]
    for leg in legs:
        check_fields(leg, LEG, f"{where}.legs")
        check_fields(leg["settings"], ASKED, f"{where}.legs.settings", optional=ASKED)
    follow = all(
        one["from"] < two["from"] <= one["to"] and two["from"] < two["to"]
        for one, two in pairwise(legs)
    )
    whole_run = len(legs) > 1 and (legs[0]["from"], legs[-1]["to"]) == (0, length["steps"])
    if not (follow and whole_run):
        raise UserError(
            f"{where}: legs must be two at least and follow one another from step 0 to step "
            f"{length['steps']}, got {[(leg['from'], leg['to']) for leg in legs[:5]]}"
        )


def length_in(record: Mapping[str, Any]) -> Length:
    """The length of a run, and the step at which its last leg began."""
    length = record["length"]
    since = length["legs"][-1]["from"] if "legs" in length else 0
    return Length(length["steps"], length["steps_per_epoch"], since)


def epochs_of_legs(length: Mapping[str, Any]) -> list[float]:
    """How many epochs each leg has; together they are those of the run.

    >>> legs = [{"from": 0, "to": 10}, {"from": 10, "to": 30}]
    >>> epochs_of_legs({"steps": 30, "steps_per_epoch": 5.0, "legs": legs})
    [2.0, 4.0]
    """
    starts = [leg["from"] for leg in length.get("legs", [{"from": 0}])]
    per_epoch = max(length["steps_per_epoch"], 1e-9)
    return [(two - one) / per_epoch for one, two in pairwise([*starts, length["steps"]])]


def in_words(length: Mapping[str, Any]) -> str:
    """The epochs of each leg, such as ``100 + 100 epochs``."""
    return " + ".join(f"{part:.3g}" for part in epochs_of_legs(length)) + " epochs"


def check_unfinished(record: Mapping[str, Any], directory: Path) -> None:
    """Refuse to go on with a run that is complete.

    Raises:
        UserError: it is.
    """
    if record["status"] == "finished":
        raise UserError(
            f"resume: {directory} must be unfinished, but the run is complete; to lengthen "
            f"it ask for more epochs, steps or time than the "
            f"{record['length']['steps']} steps that it has"
        )


def check_not_stopped(record: Mapping[str, Any], directory: Path) -> None:
    """Refuse to go on with a run that its guard has stopped.

    Raises:
        UserError: it has.
    """
    if record["status"] == "stopped":
        raise UserError(
            f"resume: {directory} must not have been stopped by its guard, but it had to turn "
            f"back twice (run.json says why, under guard), and its encoder is now the best "
            f"that there was; begin a new run with a lower lr or with an anchor"
        )


def lengthened(
    record: Mapping[str, Any], asked: Mapping[str, Any], facts: Mapping[str, Any], when: str
) -> dict[str, Any]:
    """The record of a run that is to have another length: a new leg begins where it stands.

    A run that has that length already keeps its record. A last leg that has not taken a step
    gives way to the new one.

    Args:
        record: as ``read_record`` gives it.
        asked: epochs, steps or minutes of the whole run, what was done included. Minutes are
            counted at the run's pace so far.
        facts: of the checkpoint; empty where there is none.
        when: now, for the record.

    Raises:
        UserError: not one length is asked for, or one that is not more than what is done.
    """
    settings = replace(Settings(**record["settings"]), **(dict.fromkeys(ASKED) | dict(asked)))
    ours, theirs = _asked(settings.as_record()), _asked(record["settings"])
    step = facts.get("step", 0)
    steps = _steps(settings, record, facts.get("seconds", 0.0) / max(step, 1))
    if ours == theirs or steps == record["length"]["steps"]:
        return dict(record)
    _check_more(steps, step, record, asked)
    record = as_sealed(record, step)
    length = record["length"]
    first = {
        "from": 0,
        "to": length["steps"],
        "when": str(record.get("started", ""))[:64],
        "settings": _asked(record["settings"]),
    }
    leg = {"from": step, "to": steps, "when": when, "settings": ours}
    legs = [*length.get("legs", [first]), leg]
    return {
        **record,
        "status": "interrupted",
        "settings": record["settings"] | ours,
        "length": {**length, "steps": steps, "legs": legs},
    }


def as_sealed(record: Mapping[str, Any], step: int) -> dict[str, Any]:
    """The record as it was when a checkpoint of this step was written.

    A leg begins at a checkpoint, which knows nothing of it. So a run may be stopped between
    the two, and no checkpoint is written twice.
    """
    length = record["length"]
    if "legs" not in length or length["legs"][-1]["from"] != step:
        return dict(record)
    *legs, _ = length["legs"]
    before = {"steps": legs[-1]["to"], "steps_per_epoch": length["steps_per_epoch"]}
    settings = record["settings"] | legs[-1]["settings"]
    further = {"legs": legs} if len(legs) > 1 else {}
    return {**record, "length": before | further, "settings": settings}


def _asked(settings: Mapping[str, Any]) -> dict[str, Any]:
    return {name: settings.get(name) for name in ASKED}


def _check_more(
    steps: int, step: int, record: Mapping[str, Any], asked: Mapping[str, Any]
) -> None:
    if step == 0:
        raise UserError(
            "resume: a run must have a checkpoint before its length can change; remove the "
            "directory and begin with the length that it is to have"
        )
    if steps <= step:
        words = ", ".join(f"{name} {value:g}" for name, value in asked.items())
        epochs = step / record["length"]["steps_per_epoch"]
        raise UserError(
            f"resume: the whole run must be longer than the {step} steps ({epochs:.3g} "
            f"epochs) that are done, got {words}, which is {steps:.7g} steps"
        )


def _steps(settings: Settings, record: Mapping[str, Any], step_seconds: float) -> int:
    per_epoch = record["length"]["steps_per_epoch"]
    return length_of(settings, per_epoch, max(step_seconds, 1e-9)).steps
