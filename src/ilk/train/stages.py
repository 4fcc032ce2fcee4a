"""Runs that follow one another: each begins with what the ones before it left.

The last stage is the run itself. Those before it are runs in folders below, ``stages/NAME``,
where the predictions that a stage leaves are a table, ``pseudo-labels.parquet``: a file, or a
folder of shards. What was asked for, and what became of the predictions, stands in
``stages.json``. What is finished is never done again: a run that was stopped in any stage goes
on there.
"""

import contextlib
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from ilk.core import UserError, lock
from ilk.data import Source, default_workers
from ilk.embedding import left_behind, predict_to_table
from ilk.method import Stage
from ilk.networks import load_classifier, load_encoder
from ilk.train import fit
from ilk.train.assemble import method_without_weights
from ilk.train.guard.guard import Worsened
from ilk.train.images import (
    beside,
    check_places,
    label_counts,
    label_words,
    shared_images,
    unlabelled,
)
from ilk.train.planning.plan import Say
from ilk.train.processes.ranks import from_first, processes, together
from ilk.train.records.legs import check_not_stopped, check_unfinished
from ilk.train.records.mended import as_begun, bad_files, listed_bad
from ilk.train.records.record import (
    DONE,
    RECORD,
    check_free,
    read_record,
    recorded_settings,
    write_json,
)
from ilk.train.records.stages import STAGES, read_stages
from ilk.train.run import Watcher
from ilk.train.settings import Settings, absolute_places, placed
from ilk.train.stage import (
    TABLE,
    check_others,
    going_on,
    settings_of,
    stages_of,
    with_batch,
)
from ilk.train.start import kept_weights
from ilk.train.unused import check_used

FOLDER = "stages"


def train(
    settings: Settings,
    data: Any,
    directory: Path,
    watcher: Watcher,
    say: Say | None = None,
    *,
    began: float | None = None,
) -> None:
    """Train from the beginning, in as many stages as the method has.

    Args:
        settings: of the run, and of each of its stages but for what the method says. Epochs and
            steps are those of each stage; minutes are shared out among them.
        data: anything that `ilk.data.open_source` takes.
        directory: made if need be; must not hold a run.
        watcher: sees the run go by.
        say: is given the plan before the first step, line by line.
        began: ``time.monotonic()`` at which the minutes of the settings begin; None is now.

    Raises:
        UserError: the directory holds a run, or something cannot be done as asked.
        Interrupted: by SIGTERM or Ctrl-C, after a checkpoint.
        Collapsed: when the settings say so.
        Worsened: the encoder became worse than the weights that it began with, twice.
    """
    if (directory / STAGES).exists():
        raise UserError(
            f"directory: {directory} must not hold a run, but there is one; choose another "
            f"directory, or continue that run: ilk train --resume {directory}"
        )
    check_used(settings)
    stages = stages_of(settings)
    if not stages:
        fit.train(settings, data, directory, watcher, say, began=began)
        return
    began = time.monotonic() if began is None else began
    with processes(), _held(directory):
        from_first(lambda: check_free(directory))
        _Job(placed(settings), stages, data, directory, watcher, say, began).finish({})


def resume(
    directory: Path,
    watcher: Watcher,
    data: Any = None,
    *,
    workers: int | None = None,
    device: Literal["auto", "cpu", "cuda", "mps"] | None = None,
    epochs: float | None = None,
    steps: int | None = None,
    minutes: float | None = None,
) -> None:
    """Go on with a run, bit for bit as if it had never stopped, or lengthen it.

    Sums depend on how many threads and processes compute them, and on the device. Where these
    are others than before, the run goes on, and a message and the record say so. A run of
    several stages goes on in whichever it stands.

    Args:
        directory: the directory of the run.
        watcher: sees the run go by.
        data: needed when the run's data was not named by a path, or has moved.
        workers: threads that make views; the result is the same with any number.
        device: where to train; None is where the settings say.
        epochs: that the whole run is to have, finished or not: a new schedule runs from the
            present step to there, see `ilk.train.records.legs`.
        steps: that the whole run is to have, in place of epochs.
        minutes: that the whole run is to take, at its pace so far, in place of epochs.

    Raises:
        UserError: there is no run, it has ended, its data has changed, or the new length is
            not more than what is done, or is asked of a run of several stages.
    """
    moved = fit.given(workers=workers, device=device)
    asked = fit.given(epochs=epochs, steps=steps, minutes=minutes)
    if not (directory / STAGES).exists():
        fit.resume(directory, watcher, data, moved, asked)
        return
    if asked:
        raise UserError(
            f"resume: {directory} must keep its length, for it has several stages; begin a new "
            "run, or continue one of the stages by itself"
        )
    with processes(), _held(directory):
        found = from_first(lambda: read_stages(directory))
        settings = replace(Settings(**found["settings"]), **moved)
        if (directory / RECORD).exists():
            last = from_first(lambda: read_record(directory))
            check_not_stopped(last, directory)
            check_unfinished(last, directory)
        stages = stages_of(settings)
        if not stages:
            raise UserError(
                f"resume: {directory / STAGES} must be of a method of several stages, got "
                f"{settings.method}"
            )
        places = [directory / FOLDER / stage.name for stage in stages]
        began = time.monotonic() - sum(map(_seconds, places))
        settings, spec = kept_weights(settings, places), _spec(found, settings, data)
        _Job(settings, stages, spec, directory, watcher, None, began, moved).finish(found)


@dataclass(frozen=True, slots=True)
class _Job:
    settings: Settings
    stages: tuple[Stage, ...]
    data: Any
    directory: Path
    watcher: Watcher
    say: Say | None
    began: float
    moved: Mapping[str, Any] | None = None  # where to compute now, of a run that goes on

    def tell(self, line: str) -> None:
        """Say which stage begins, as a line of the plan, or to who sees a run go on."""
        if self.say is not None:
            self.say(line)
        elif self.moved is not None:
            self.watcher.on_message(line)

    def finish(self, before: Mapping[str, Any]) -> None:
        """Every stage that is not finished, one after the other; ``stages.json`` before it."""
        images = shared_images(self.settings, self.data)
        if before:
            images = as_begun(images, (before, *from_first(self._begun)))
        entries: list[dict[str, Any]] = [{"name": stage.name} for stage in self.stages]
        record: dict[str, Any] = {
            "settings": before.get("settings", self.settings.as_record()),
            "data": {
                **before.get("data", {}),
                "spec": absolute_places(self.data),
                "fingerprint": images.fingerprint,
                "items": len(images),
                "classes": len(images.classes),
            },
            "stages": entries,
            "bad_files": before.get("bad_files", []),
        }
        others = len(unlabelled(images))
        known = len(images) - others
        check_others(self.settings, self.stages, known, others)
        for number, stage in enumerate(self.stages):
            shown = others  # images without a label that the stage sees
            if stage.labels:
                entries[number]["labels"] = self._label(stage, images)
                shown = entries[number]["labels"]["taken"]
                record["bad_files"] = self._bad_files(record, stage, images)
            from_first(lambda: write_json(self.directory / STAGES, record))
            if from_first(lambda stage=stage: _done(self._place(stage.name))):
                continue
            place = f"{'stage':<7} {stage.name}, {number + 1} of {len(self.stages)}"
            self.tell(place + label_words(entries[number].get("labels")))
            with contextlib.ExitStack() as kept:
                if number < len(self.stages) - 1:  # what it leaves is no worse than its start
                    kept.enter_context(contextlib.suppress(Worsened))
                self._train(stage, len(self.stages) - number, images, (known, shown))

    def _train(self, stage: Stage, left: int, images: Source, counts: tuple[int, int]) -> None:
        place = self._place(stage.name)
        if from_first((place / RECORD).exists):
            fit.resume(place, self.watcher, self.data, self.moved or {}, {}, images)
            return
        settings, now = with_batch(self._settings(stage), *counts), time.monotonic()
        if settings.minutes is not None:
            rest = settings.minutes - (now - self.began) / 60
            settings = replace(settings, minutes=max(rest / left, 1 / 60))
        fit.train(settings, self.data, place, self.watcher, self.say, began=now, images=images)

    def _settings(self, stage: Stage) -> Settings:
        settings = settings_of(self.settings, stage, self._place)
        if stage.weights:
            before = from_first(lambda: read_record(self._place(stage.weights)))
            settings = going_on(settings, recorded_settings(before), stage.lr_share)
        return settings

    def _place(self, name: str) -> Path:
        last = name == self.stages[-1].name
        return self.directory if last else self.directory / FOLDER / name

    def _label(self, stage: Stage, images: Source) -> dict[str, Any]:
        """Predict the classes of all images without a label, and say what became of them."""
        rule = method_without_weights(self._settings(stage)).pseudo
        assert rule is not None, "a stage that is labelled takes predictions"
        others, by = unlabelled(images), self._place(stage.labels)

        def predict() -> None:  # each process the shards that are its own
            encoder = load_encoder(str(by))
            predict_to_table(
                encoder, load_classifier(by, encoder), others, Path(rule.table),
                whole=rule.soft, device=self.settings.device,
                workers=self.settings.workers or default_workers(),
                progress=lambda done, of: self.watcher.on_step(done, of, {}),
            )  # fmt: skip

        together(predict)
        counts = from_first(lambda: label_counts(images, rule, self.settings.seed))
        return {"by": stage.labels, **counts}

    def _bad_files(
        self, record: dict[str, Any], stage: Stage, images: Source
    ) -> list[dict[str, Any]]:
        """Files that a stage before this one listed as bad, or that could not be labelled."""
        others, before = unlabelled(images).chosen, from_first(self._begun)
        left = from_first(lambda: left_behind(self._place(stage.labels) / TABLE))
        left = [replace(bad, index=int(others[bad.index])) for bad in left]
        return bad_files(record, [*listed_bad(before), *left], images)

    def _begun(self) -> list[dict[str, Any]]:
        """Records of the stages that learn from the images as they were given."""
        places = [self._place(stage.name) for stage in self.stages if not stage.labels]
        return [read_record(place) for place in places if (place / RECORD).exists()]


def _spec(found: Mapping[str, Any], settings: Settings, data: Any) -> Any:
    """Where the images are, by whoever goes on with a run or by its record."""
    if data is not None:
        return data
    spec = found["data"].get("spec")
    if not (isinstance(spec, str | list) and spec):
        raise UserError("resume: the run's data was given in memory and must be given again")
    check_places([spec] if isinstance(spec, str) else spec)
    check_places(beside(settings))
    return spec


def _done(place: Path) -> bool:
    return (place / RECORD).exists() and read_record(place)["status"] in DONE


def _seconds(place: Path) -> float:
    return read_record(place).get("seconds", 0.0) if (place / RECORD).exists() else 0.0


def _held(directory: Path) -> contextlib.AbstractContextManager[None]:
    held = lock(directory / STAGES, "directory")
    return fit.alone(directory, lambda kept: kept.enter_context(held))
