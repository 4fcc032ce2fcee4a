"""The record of a run, run.json: written, and read with every field checked."""

import os
import platform
import subprocess
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any, get_type_hints

from ilk.core import UserError, holder, write_whole
from ilk.core.counts import count
from ilk.core.fields import (
    ANYTHING,
    Kind,
    as_json,
    check_fields,
    keyed,
    kind_of,
    listed,
    maybe,
    number,
    one_of,
    read_json,
    text,
    whole,
)
from ilk.networks.options import check_name, check_options
from ilk.train.ranges import MOST_STEPS, RANGES
from ilk.train.records.legs import check_length
from ilk.train.records.metrics import METRICS
from ilk.train.settings import Settings

PACKAGES = (
    "ilk",
    "torch",
    "torchvision",
    "timm",
    "numpy",
    "opencv-python-headless",
    "lightning-fabric",
)
RECORD, FINISHED = "run.json", "finished"
DECIDED = ("backbone", "image_size", "batch_size")  # before a record is written
DONE = (FINISHED, "stopped")  # of which there is no more to do
ENDED = ("interrupted", "collapsed", "failed", "stopped", FINISHED)
# What may lie in the directory of a run that has not begun.
BEFORE = frozenset(
    {"demo.json", "start.safetensors", METRICS, "tensorboard", "stages", "stages.json"}
)
FIELDS: Mapping[str, Kind] = {
    "status": one_of(
        "started", "running", "interrupted", "collapsed", "failed", "stopped", FINISHED
    ),
    "settings": keyed(ANYTHING),
    "length": keyed(ANYTHING),
    "data": keyed(ANYTHING),
    "step": whole(0, MOST_STEPS),
    "saved": whole(0, MOST_STEPS),  # step of the last checkpoint
    "seconds": number(0, 1e12),
    "bad_files": listed(ANYTHING, 10**7),
    "last": keyed(ANYTHING),
    "versions": keyed(ANYTHING),
    "tuned": keyed(ANYTHING),
}


def _setting(name: str, hint: object) -> Kind:
    """What a setting may be in a record: what `Settings` takes."""
    kind = kind_of(hint)
    ranged = RANGES.get(name, kind)
    return maybe(ranged) if ranged is not kind and kind.fits(None) else ranged


SETTINGS: Mapping[str, Kind] = {
    name: _setting(name, hint) for name, hint in get_type_hints(Settings).items()
}
DATA: Mapping[str, Kind] = {
    "spec": Kind(
        "a path, a list of paths or null",
        lambda given: maybe(text()).fits(given) or listed(text(), 10**5).fits(given),
    ),
    "name": text(10**6),
    "items": whole(1, 10**12),
    "again": whole(0, 10**12),  # of these, labelled ones that come once more without a label
    "classes": whole(0, 10**12),
    "fingerprint": text(128),
}
TUNED: Mapping[str, Kind] = {
    "parts": one_of("lora", "last", "norms", "full"),
    "parameters": whole(0, 10**12),
    "of": whole(1, 10**12),
    "words": text(),
}
BAD: Mapping[str, Kind] = {
    "label": whole(-1, 10**12),
    "index": whole(0, 10**12),
    "key": text(10**5),
    "reason": text(10**5),
}


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write a JSON file whole or not at all; numbers that JSON does not know become null."""
    write_whole(path, as_json(content) + "\n", "record")


def check_free(directory: Path) -> None:
    """Refuse a directory for a new run that holds one, or other files.

    Raises:
        UserError: it does.
    """
    if (directory / RECORD).exists():
        raise UserError(
            f"directory: {directory} must not hold a run, but there is one; choose another "
            f"directory, or continue that run: ilk train --resume {directory}"
        )
    names = sorted(p.name for p in directory.iterdir()) if directory.is_dir() else []
    others = [name for name in names if not name.startswith(".") and name not in BEFORE]
    if others:
        raise UserError(
            f"directory: {directory} must be new or empty, got {count(len(others), 'file')} "
            f"such as {others[0]}; choose another directory"
        )


def run_state(record: Mapping[str, Any], directory: Path) -> str:
    """Where a run stands, such as ``interrupted at step 40 of 100``.

    A run that says it is running while no process holds its lock is ``dead``: it was killed, or
    its disk cannot lock.

    Args:
        record: of the run.
        directory: of the run.
    """
    status = str(record.get("status", "unknown"))
    if status == FINISHED:
        return status
    if status in {"started", "running"} and holder(directory / RECORD) is None:
        status = "dead"
    return f"{status} at step {record.get('step', 0)} of {record['length']['steps']}"


def read_record(directory: Path) -> dict[str, Any]:
    """The run record of a directory, every field that is used again checked.

    A record may be a stranger's or damaged. Fields that a run goes by must be known, of their
    kind and in their range; all others are notes for people and are let through.

    Raises:
        UserError: the directory holds no run, or a field is not what it must be.
    """
    path = directory / RECORD
    if not path.exists():
        raise UserError(
            f"run: {directory} must hold a run.json, got none; name the directory of a run"
        )
    where = f"run: {path}"
    record = check_fields(
        read_json(path, "run"),
        FIELDS,
        where,
        optional=("step", "saved", "seconds", "bad_files", "last", "versions", "tuned"),
        others=True,
    )
    check_length(record["length"], f"{where}: length")
    check_fields(record["data"], DATA, f"{where}: data", optional=("again",), others=True)
    for entry in record.setdefault("bad_files", []):
        check_fields(entry, BAD, f"{where}: bad_files", optional=("label",))
    if "tuned" in record:
        check_fields(record["tuned"], TUNED, f"{where}: tuned")
    check_fields(record["settings"], SETTINGS, f"{where}: settings", optional=SETTINGS)
    for name in DECIDED:
        if record["settings"].get(name, ...) is None:
            raise UserError(f"{where}: settings.{name} must be what was decided, got null")
    check_name(record["settings"].get("backbone", "resnet50"), where)
    check_options(record["settings"].get("backbone_options", {}), where)
    return record


def recorded_settings(record: Mapping[str, Any]) -> Settings:
    """The settings of a record that ``read_record`` gave.

    Raises:
        UserError: they contradict each other.
    """
    return Settings(**record["settings"])


def now() -> str:
    """The time in UTC, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def surroundings() -> dict[str, Any]:
    """Versions, commit and machine, for comparisons later."""
    return {
        "versions": {name: _version(name) for name in PACKAGES}
        | {"python": platform.python_version()},
        "commit": _commit(),
        "command": [Path(sys.argv[0]).name, *sys.argv[1:]],
        "machine": {
            "platform": platform.platform(),
            "processors": os.cpu_count(),
            "allocator": {k: v for k, v in os.environ.items() if k.startswith("MALLOC_")},
        },
    }


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return "not installed"


def _commit() -> str | None:
    """The commit of a source checkout of ilk; None for an installed package."""
    here = Path(__file__).parent
    if not (here.parents[3] / ".git").exists():
        return None
    done = subprocess.run(
        ["git", "-C", str(here), "describe", "--always", "--dirty", "--abbrev=12"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    return done.stdout.strip() or None
