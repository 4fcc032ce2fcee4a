"""The record of a run of several stages, stages.json: what was asked for, what became of it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ilk.core.fields import ANYTHING, Kind, check_fields, keyed, listed, read_json
from ilk.networks.options import check_name, check_options
from ilk.train.records.record import BAD, DATA, RECORD, SETTINGS

STAGES = "stages.json"
FIELDS: Mapping[str, Kind] = {
    "settings": keyed(ANYTHING),
    "data": keyed(ANYTHING),
    "stages": listed(keyed(ANYTHING), 1000),
    "bad_files": listed(ANYTHING, 10**7),
}


def begun(directory: Path) -> bool:
    """Whether there is a run to go on with, in whichever stage."""
    return (directory / RECORD).exists() or (directory / STAGES).exists()


def read_stages(directory: Path) -> dict[str, Any]:
    """What a run of several stages was asked for and what each was given, checked.

    Raises:
        UserError: a field is not what it must be.
    """
    path = directory / STAGES
    found = check_fields(
        read_json(path, "run"), FIELDS, f"run: {path}", optional=("bad_files",), others=True
    )
    needed = {"fingerprint", "items", "classes"} if "bad_files" in found else set[str]()
    check_fields(
        found["data"], DATA, f"run: {path}: data", optional=DATA.keys() - needed, others=True
    )
    for entry in found.get("bad_files", []):
        check_fields(entry, BAD, f"run: {path}: bad_files", optional=("label",))
    where, settings = f"run: {path}: settings", found["settings"]
    check_fields(settings, SETTINGS, where, optional=SETTINGS)
    check_name(settings.get("backbone") or "resnet50", where)
    check_options(settings.get("backbone_options", {}), where)
    return found


def settings_asked(directory: Path, record: Mapping[str, Any]) -> dict[str, Any]:
    """The settings that a run was begun with: of the whole, where it has stages.

    Args:
        directory: of the run.
        record: as ``read_record`` gives it.
    """
    staged = (directory / STAGES).exists()
    return read_stages(directory)["settings"] if staged else record["settings"]
