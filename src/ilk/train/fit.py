"""Start a run, go on with one, or find out what one would take."""

import contextlib
import zlib
from collections.abc import Generator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from ilk.core import UserError, check_writable, lock, sweep
from ilk.data import Source, labels, left_out, open_source, unlabelled_because
from ilk.method import Standing
from ilk.networks.options import PRETRAINED
from ilk.train.devices import launch_fabric
from ilk.train.length import Length
from ilk.train.ranks import check_same, from_first, processes, several, together
from ilk.train.record import METRICS, now, read_record, recorded_settings, surroundings
from ilk.train.run import CHECKPOINT, Run, Watcher
from ilk.train.settings import Settings
from ilk.train.setup import Plan, Setup, timed_step

RECORD = "run.json"
WRITTEN = (RECORD, METRICS, CHECKPOINT, "encoder.safetensors", "encoder.json")


def train(settings: Settings, data: Any, directory: Path, watcher: Watcher) -> None:
    """Train from the beginning.

    Args:
        settings: of the run.
        data: anything that `ilk.data.open_source` takes.
        directory: made if need be; must not hold a run.
        watcher: sees the run go by.

    Raises:
        UserError: the directory holds a run, or something cannot be done as asked.
        Interrupted: by SIGTERM or Ctrl-C, after a checkpoint.
        Collapsed: when the settings say so.
    """
    with processes(), _held(directory, "-o"):
        from_first(lambda: _check_free(directory))
        setup = Setup(settings, _source(data))
        Run(setup, directory, watcher, _record(setup, data)).go()


def resume(directory: Path, watcher: Watcher, data: Any = None) -> None:
    """Go on with a run, bit for bit as if it had never stopped.

    Args:
        directory: of the run.
        watcher: sees the run go by.
        data: needed when the run's data was not named by a path.

    Raises:
        UserError: there is no run, it has ended, or its data has changed.
    """
    with processes(), _held(directory, "--resume"):
        _resume(directory, watcher, data)


def _resume(directory: Path, watcher: Watcher, data: Any) -> None:
    record = from_first(lambda: read_record(directory))
    if record["status"] == "finished":
        raise UserError(f"--resume: {directory} must be unfinished, but the run is complete")
    saved = from_first(lambda: _saved(directory, record))
    data = record["data"]["spec"] if data is None else data
    if data is None:
        raise UserError("--resume: the run's data was given in memory and must be given again")
    source = _source(data)
    if source.fingerprint != record["data"]["fingerprint"]:
        raise UserError(
            f"--resume: {source.name} must hold what it held when the run began "
            f"({record['data']['items']} items), got {len(source)} items and another "
            f"fingerprint; put the old files back or start a new run"
        )
    length = Length(record["length"]["steps"], record["length"]["steps_per_epoch"])
    setup = Setup(recorded_settings(record), source, length=length)
    run = Run(setup, directory, watcher, record)
    if saved:
        run.resume()
    else:
        _check_first_weights(setup, directory)
    run.go()


def _saved(directory: Path, record: dict[str, Any]) -> bool:
    """Whether there is a checkpoint; a run that stopped before its first one has none."""
    if (directory / CHECKPOINT).exists():
        return True
    if record.get("step", 0) > 0:
        raise UserError(
            f"--resume: {directory} must hold {CHECKPOINT} of a run at step {record['step']}, "
            f"got none; put it back, or remove the directory and repeat the command that began "
            f"the run"
        )
    return False


def _check_first_weights(setup: Setup, directory: Path) -> None:
    """A run without a checkpoint begins again; with published weights, by its own command."""
    teacher = setup.method.teacher
    taught = isinstance(teacher, Standing) and teacher.encoder.endswith("@random")
    if setup.settings.backbone_options.get(PRETRAINED) or taught:
        raise UserError(
            f"--resume: {directory} must hold a checkpoint of a run that begins with published "
            f"weights, got none; remove the directory and repeat the command that began the run"
        )


def dry_run(settings: Settings, data: Any) -> tuple[dict[str, Any], Plan]:
    """The record a run would have, and what it would take, measured on a few steps."""
    with processes():
        return _dry_run(settings, data)


def _dry_run(settings: Settings, data: Any) -> tuple[dict[str, Any], Plan]:
    source = _source(data)
    fabric = launch_fabric(settings)
    plan = timed_step(settings, source, fabric)
    if settings.minutes is not None:
        steps = max(int(settings.minutes * 60 / plan.seconds), 1)
        settings = replace(settings, minutes=None, steps=steps)
    setup = Setup(settings, source, fabric=fabric)
    plan = replace(plan, steps=setup.length.steps)
    return _record(setup, data) | {"plan": asdict(plan)}, plan


@contextlib.contextmanager
def _held(directory: Path, option: str) -> Generator[None]:
    """The directory for this run alone; left as it was where nothing comes of it."""
    new = not directory.exists()
    try:
        with contextlib.ExitStack() as held:
            from_first(lambda: _hold(directory, option, held))
            yield
    finally:
        if new:
            with contextlib.suppress(OSError):
                directory.rmdir()  # goes through where it is empty


def _hold(directory: Path, option: str, held: contextlib.ExitStack) -> None:
    """Take the lock, and see to it that there is room for more than that."""
    if option == "--resume":
        read_record(directory)  # before a directory is made for a lock
    record = directory / RECORD
    held.enter_context(lock(record, option))
    sweep(*(directory / name for name in WRITTEN))
    check_writable(record, option)


def _check_free(directory: Path) -> None:
    if (directory / RECORD).exists():
        raise UserError(
            f"-o: {directory} must not hold a run yet; go on with it by "
            f"--resume {directory}, or choose another directory"
        )


def _source(data: Any) -> Source:
    """The images, which must be the same wherever processes look for them."""
    source = together(lambda: open_source(data))
    if several():
        known = zlib.crc32(labels(source).tobytes())
        found = f"{len(source)} items ({source.fingerprint[:8]}, labels {known:08x})"
        check_same(found, "data", f"files and labels in {source.name}")
    return source


def _record(setup: Setup, data: Any) -> dict[str, Any]:
    """Everything that was decided, before the first step."""
    source, plain = setup.source, _is_path(data)
    return {
        "status": "started",
        "started": now(),
        "settings": setup.settings.as_record(),
        "length": asdict(setup.length),
        "peak_lr": setup.trainer.pace.peak,
        "device": str(setup.fabric.device),
        "processes": setup.fabric.world_size,
        "precision": setup.precision,
        "data": {
            "spec": _plain(data) if plain else None,
            "name": source.name,
            "items": len(source),
            "classes": len(source.classes),
            "fingerprint": source.fingerprint,
            "unlabelled": unlabelled_because(source),
            "left_out": [asdict(entry) for entry in left_out(source)],
        },
        **surroundings(),
    }


def _is_path(data: Any) -> bool:
    parts = data if isinstance(data, list) else [data]
    return all(isinstance(part, str | Path) for part in parts)


def _plain(data: Any) -> Any:
    return [str(entry) for entry in data] if isinstance(data, list) else str(data)
