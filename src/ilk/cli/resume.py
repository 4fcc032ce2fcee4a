"""What ``ilk train --resume`` takes beside the run: no more than another length changes it."""

import sys
from pathlib import Path
from typing import Any

from ilk.cli.arguments import literals, minutes, pairs
from ilk.core.errors import UserError

MOVABLE = ("workers", "device")  # where a run is computed, not what
LENGTHS = ("epochs", "steps", "time")  # a new schedule, see `ilk.train.records.legs`
AUTO = ("mix", "auto")
RENAMED = {"weights": "from"}  # arguments whose flag has another name


def given_now() -> dict[str, Any]:
    """The arguments of this command line, without those that were left at their defaults."""
    from ilk.cli import CALLED, app

    _, whole, _ = app.meta.parse_args(sys.argv[1:], **CALLED)  # without --quiet and --json
    _, bound, _ = app.parse_args(whole.arguments["words"], **CALLED)
    return dict(bound.arguments)


def taken(given: dict[str, Any]) -> dict[str, Any]:
    """Take the arguments of `ilk.train.resume` out of what was given."""
    out = {name: given.pop(name) for name in (*MOVABLE, *LENGTHS) if name in given}
    if "time" in out:
        out["minutes"] = minutes(out.pop("time"))
    return out


def check_same(directory: Path, given: dict[str, Any]) -> None:
    """Refuse what would change a run that has begun.

    Args:
        directory: of the run.
        given: by the name of the argument.

    Raises:
        UserError: something is given that differs from what the run began with.
    """
    from ilk.train import begun, read_record, settings_asked
    from ilk.train.records.record import RECORD

    staged = begun(directory) and not (directory / RECORD).exists()
    record: dict[str, Any] = {} if staged else read_record(directory)
    settings = settings_asked(directory, record)
    own = {**settings, "output": str(directory.absolute())}
    options = _by_words(settings)
    if "mixing" in record.get("plan", {}):  # the mix was chosen, not named
        given = dict(item for item in given.items() if item != AUTO)
    for flag, value in given.items():
        known = own if flag in own else options  # a method may name an option as ilk a setting
        for name, asked in _asked(flag, value):
            shown = RENAMED.get(flag, flag).replace("_", "-")
            if str(asked) != str(known.get(name)):
                raise UserError(
                    f"--resume: a run must keep the settings that it began with, {name} "
                    f"{known.get(name)}, got {asked}; leave --{shown} out, only DATA, "
                    f"--workers, --device and a length can be given again"
                )


def _asked(flag: str, value: Any) -> list[tuple[str, object]]:
    """What an argument sets, by the names of ``_by_words`` and of the settings."""
    from ilk.train.settings import placed_options, placed_setting

    named = {
        "resume": lambda: {},
        "set": lambda: placed_options(pairs(value)),
        "teacher": lambda: placed_options({flag: value}),
        "backbone_set": lambda: {f"backbone {k}": v for k, v in literals(value).items()},
        "output": lambda: {flag: Path(value).absolute()},
    }
    return list(named.get(flag, lambda: {flag: placed_setting(flag, value)})().items())


def _by_words(settings: dict[str, Any]) -> dict[str, object]:
    """Options of a record by the names that the command line has for them."""
    starts = {"method": "", "mix": "mix.", "kin": "kin.", "optimiser": "optimiser.",
              "tune": "tune.", "backbone": "backbone "}  # fmt: skip
    return {
        f"{start}{name}": tuple(value) if isinstance(value, list) else value
        for part, start in starts.items()
        for name, value in settings.get(f"{part}_options", {}).items()
    }
