"""Start a run, go on with one, or find out what one would take."""

import contextlib
import re
import time
from collections.abc import Callable, Generator, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from ilk.core import UserError, check_writable, lock, sweep
from ilk.data import Source, left_out, unlabelled_because
from ilk.networks import Encoder, PretrainedTeacher
from ilk.networks.classifier import LEARNED
from ilk.train.devices import as_before
from ilk.train.guard.guard import BEST
from ilk.train.images import beside, check_places, shared_images
from ilk.train.length import Length
from ilk.train.planning.plan import Say, planned_setup
from ilk.train.planning.survey import shown_again
from ilk.train.processes.ranks import (
    from_first,
    processes,
    tensors_from_first,
    together,
)
from ilk.train.records.legs import (
    check_not_stopped,
    check_unfinished,
    in_words,
    length_in,
    lengthened,
)
from ilk.train.records.mended import mended
from ilk.train.records.metrics import METRICS
from ilk.train.records.record import (
    check_free,
    now,
    read_record,
    recorded_settings,
    surroundings,
)
from ilk.train.records.seal import read_checkpoint, saved_in
from ilk.train.run import CHECKPOINT, Run, Watcher
from ilk.train.settings import Settings, absolute_places, placed
from ilk.train.setup import Setup
from ilk.train.start import START, begin, check_teacher, keep, kept

RECORD = "run.json"
WRITTEN = (RECORD, METRICS, CHECKPOINT, START, *BEST, *LEARNED)


def train(
    settings: Settings,
    data: Any,
    directory: Path,
    watcher: Watcher,
    say: Say | None = None,
    *,
    began: float | None = None,
    images: Source | None = None,
) -> None:
    """Train from the beginning.

    Args:
        settings: of the run.
        data: anything that `ilk.data.open_source` takes.
        directory: made if need be; must not hold a run.
        watcher: sees the run go by.
        say: is given the plan before the first step, line by line.
        began: ``time.monotonic()`` at which the minutes of the settings begin; None is now.
        images: those of a run of several stages, of which this is one; None opens the data.

    Raises:
        UserError: the directory holds a run, or something cannot be done as asked.
        Interrupted: by SIGTERM or Ctrl-C, after a checkpoint.
        Collapsed: when the settings say so.
        Worsened: the guard turned the run back a second time.
    """
    began = time.monotonic() if began is None else began
    with processes(), _held(directory, "directory"):
        from_first(lambda: check_free(directory))
        settings, beginning = together(lambda: begin(placed(settings)))
        start, facts = None, dict[str, Any]()
        if beginning is not None:
            if beginning.words:
                watcher.on_message(f"weights of {settings.weights}: {beginning.words}")
            start, facts = beginning.encoder, {"start": beginning.facts}
        source = shared_images(settings, data, images)
        setup, planned = planned_setup(settings, source, say, start, began)
        teacher = setup.trainer.teacher
        if isinstance(teacher, PretrainedTeacher) and teacher.words:
            watcher.on_message(f"teacher: {teacher.words}")
        if beginning is not None:
            from_first(lambda: keep(beginning, directory))
        facts["plan"] = planned.record()
        Run(setup, directory, watcher, _record(setup, data) | facts).go()


def resume(
    directory: Path,
    watcher: Watcher,
    data: Any,
    moved: Mapping[str, Any],
    asked: Mapping[str, Any],
    images: Source | None = None,
) -> None:
    """Go on with one run; see `ilk.train.resume`.

    Args:
        directory: of the run.
        watcher: sees the run go by.
        data: None where it is what the record names.
        moved: settings of where to compute, as far as they are given now.
        asked: settings of length, as far as they are given now.
        images: as in ``train``.
    """
    with processes(), _held(directory, "resume"):
        _resume(directory, watcher, data, moved, asked, images)


def given(**options: Any) -> dict[str, Any]:
    """The settings that are given now."""
    return {name: value for name, value in options.items() if value is not None}


def _resume(
    directory: Path,
    watcher: Watcher,
    data: Any,
    moved: Mapping[str, Any],
    asked: Mapping[str, Any],
    images: Source | None,
) -> None:
    record = from_first(lambda: read_record(directory))
    check_not_stopped(record, directory)
    if not asked:
        check_unfinished(record, directory)
    path = directory / CHECKPOINT
    saved = from_first(lambda: saved_in(path, record))
    # Before anything is built: settings that are not the checkpoint's ask for nothing.
    restored = tensors_from_first(lambda: read_checkpoint(path, record)) if saved else None
    if asked:
        before, facts = record["length"], {} if restored is None else restored[1]
        record = lengthened(record, asked, facts, now())
        if record["length"] != before:
            watcher.on_message(f"a new schedule begins: {in_words(record['length'])}")
        check_unfinished(record, directory)
    source = _same_source(directory, record, data, images)
    settings = as_before(replace(recorded_settings(record), **moved), record.get("precision"))
    start = together(lambda: kept(settings, directory))
    setup = _built(settings, source, length_in(record), start)
    run = Run(setup, directory, watcher, record)
    _note_threads(setup, record, watcher)
    if restored is not None:
        run.resume(*restored)
    else:
        check_teacher(setup.method, directory)
    run.go()


def _built(settings: Settings, source: Source, length: Length, start: Encoder | None) -> Setup:
    """The parts of a run whose record asks for no more than there is room for."""
    try:
        return Setup(settings, source, length=length, start=start, restored=True)
    except (MemoryError, OverflowError, RuntimeError) as error:
        reason = " ".join(str(error).split())
        if isinstance(error, RuntimeError) and not re.search(
            "memory|overflow|negative", reason
        ):
            raise
        raise UserError(
            f"resume: the settings of the run must fit this machine, got '{reason[:200]}'"
        ) from error


def _same_source(
    directory: Path, record: dict[str, Any], data: Any, images: Source | None
) -> Source:
    """The images that the run began with, where the record or the caller says they are."""
    spec = record["data"]["spec"] if data is None else data
    if spec is None:
        raise UserError("resume: the run's data was given in memory and must be given again")
    try:
        if data is None:
            check_places(spec)
        settings = recorded_settings(record)
        check_places(beside(settings))
        source = shared_images(settings, spec, images)
    except UserError as error:
        if data is not None:
            raise
        raise UserError(
            f"resume: {error}; if the images have moved, say where to: ilk train DATA "
            f"--resume {directory}"
        ) from error
    as_it_was = mended(source, record)
    same = source.fingerprint == record["data"]["fingerprint"]
    if not same and as_it_was is None:
        raise UserError(
            f"resume: {source.name} must hold what it held when the run began "
            f"({record['data']['items']} items), got {len(source)} items and another "
            f"fingerprint; put the old files{', and the old list,' if settings.subset else ''} "
            f"back or start a new run"
        )
    if same:
        record["data"]["spec"] = absolute_places(spec) or record["data"]["spec"]
    return as_it_was or source


def _note_threads(setup: Setup, record: dict[str, Any], watcher: Watcher) -> None:
    """Say where the last bits of sums will not be those of before, and keep it."""
    now_ = setup.computed_on()
    before = {name: record.get(name) for name in now_}
    if before != now_:
        changes = ", ".join(
            f"{name} {before[name]} before, {now_[name]} now"
            for name in now_
            if before[name] != now_[name]
        )
        watcher.on_message(
            f"the result will not be bit for bit that of a run that never stopped: {changes}"
        )
        record.setdefault("resumed", []).append({"step": record.get("step", 0), **now_})


def dry_run(
    settings: Settings, data: Any, say: Say | None = None, *, began: float | None = None
) -> dict[str, Any]:
    """The record that a run would have; what it would take is measured on a few steps."""
    with processes():
        settings, beginning = together(lambda: begin(placed(settings)))
        start = None if beginning is None else beginning.encoder
        source = shared_images(settings, data)
        setup, planned = planned_setup(settings, source, say, start, began)
        return _record(setup, data) | {"plan": planned.record()}


def _held(directory: Path, option: str) -> contextlib.AbstractContextManager[None]:
    return alone(directory, lambda kept: _hold(directory, option, kept))


@contextlib.contextmanager
def alone(directory: Path, take: Callable[[contextlib.ExitStack], object]) -> Generator[None]:
    """The directory for this run alone; left as it was where nothing comes of it.

    Args:
        directory: of the run.
        take: enters what keeps others out, in the first process.
    """
    new = not directory.exists()
    try:
        with contextlib.ExitStack() as kept:
            from_first(lambda: take(kept))
            yield
    finally:
        if new:
            with contextlib.suppress(OSError):
                directory.rmdir()  # goes through where it is empty


def _hold(directory: Path, option: str, held: contextlib.ExitStack) -> None:
    """Take the lock, and see to it that there is room for more than that."""
    if option == "resume":
        read_record(directory)  # before a directory is made for a lock
    record = directory / RECORD
    held.enter_context(lock(record, option))
    sweep(*(directory / name for name in WRITTEN))
    check_writable(record, option)


def _record(setup: Setup, data: Any) -> dict[str, Any]:
    """Everything that was decided, before the first step."""
    source = setup.source
    return {
        "status": "started",
        "saved": 0,
        "started": now(),
        "settings": setup.settings.as_record(),
        "length": setup.length.as_record(),
        "peak_lr": setup.trainer.pace.peak,
        **setup.continued(),
        **setup.computed_on(),
        "data": {
            "spec": absolute_places(data),
            "name": source.name,
            "items": len(source),
            "again": shown_again(setup.method, source),
            "classes": len(source.classes),
            "fingerprint": source.fingerprint,
            "unlabelled": unlabelled_because(source),
            "left_out": [asdict(entry) for entry in left_out(source)],
        },
        **surroundings(),
    }
