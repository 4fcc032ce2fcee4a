"""The loop: from settings and a source to a directory with an encoder in it."""

import contextlib
import time
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from torch import Tensor

from ilk.core import UserError
from ilk.networks import save_encoder
from ilk.train.loop.loader import Batch
from ilk.train.loop.monitor import CollapseAlarm, label_changes, signs
from ilk.train.loop.step_result import NonFiniteLoss, StepResult
from ilk.train.processes.ranks import from_first, largest
from ilk.train.processes.signals import Asked, Interrupted, collected_signals
from ilk.train.records.checkpoint import flattened_optimiser, restore_optimiser, save
from ilk.train.records.mended import good_keys
from ilk.train.records.record import Metrics, now, write_json
from ilk.train.records.seal import check_state, sealed
from ilk.train.setup import Setup

CHECKPOINT = "checkpoint.safetensors"


@runtime_checkable
class Watcher(Protocol):
    """Whoever wants to see a run go by."""

    def on_step(self, step: int, steps: int, numbers: dict[str, float]) -> None:
        """A step is done; ``numbers`` holds what was logged last."""
        ...

    def on_message(self, message: str) -> None:
        """Something a person should read."""
        ...


class Collapsed(Exception):
    """The collapse alarm ended the run; everything is saved."""


class Run:
    """A run in a directory, from wherever it stands to its end.

    Args:
        setup: all parts, built.
        directory: where everything is written.
        watcher: sees steps and messages.
        record: what run.json holds so far.
    """

    def __init__(
        self, setup: Setup, directory: Path, watcher: Watcher, record: dict[str, Any]
    ) -> None:
        self.setup = setup
        self.directory = directory
        self.watcher = watcher
        self.record = record
        self.alarm = CollapseAlarm()
        self.numbers: dict[str, float] = {}
        self.seconds_before = 0.0

    def resume(self, tensors: dict[str, Tensor], facts: dict[str, Any]) -> None:
        """Take everything back from the checkpoint that `read_checkpoint` has read."""
        trainer = self.setup.trainer
        groups = trainer.optimiser.optimizer.param_groups
        parameters = [entry for group in groups for entry in group["params"]]
        where = f"checkpoint: {self.directory / CHECKPOINT}"
        check_state(tensors, trainer.shapes(), parameters, where)
        trainer.load_state(tensors)
        restore_optimiser(trainer.optimiser.optimizer, tensors)
        trainer.step = facts["step"]
        trainer.pace = replace(trainer.pace, share=facts.get("pace", 1.0))
        self.alarm = CollapseAlarm(**facts["alarm"])
        self.seconds_before = facts["seconds"]
        self.setup.load_scaler(facts["scaler"])

    def go(self) -> None:
        """Train to the end.

        Raises:
            Interrupted: by SIGTERM, SIGHUP or Ctrl-C, after a checkpoint.
            Collapsed: when the settings say that a collapse ends the run.
            UserError: the loss is not finite, too many files are bad, or a disk is full.
        """
        self.began = time.perf_counter()
        metrics = self._metrics()
        self._note("running")
        try:
            with collected_signals() as asked:
                self._steps(metrics, asked)
        except Interrupted:
            self._note_end("interrupted")
            raise
        except NonFiniteLoss as error:
            self._note_end("failed", reason=str(error))
            raise UserError(self._explain(error)) from error
        except (UserError, OSError) as error:
            self._note_end("failed", reason=str(error))
            raise
        finally:
            if metrics is not None:
                metrics.close()
        self._note("finished")

    def _metrics(self) -> Metrics | None:
        step = self.setup.trainer.step
        return Metrics(self.directory, step, self.watcher.on_message) if self._first else None

    def _steps(self, metrics: Metrics | None, asked: Asked) -> None:
        setup, trainer = self.setup, self.setup.trainer
        steps, micro = setup.length.steps, setup.settings.accumulate
        batches = setup.loader.batches(trainer.step * micro, steps * micro)
        with contextlib.closing(batches):
            mark = time.perf_counter()
            while trainer.step < steps:
                progress = setup.length.progress(trainer.step)
                with trainer.clock("waiting"):
                    taken = [next(batches) for _ in range(micro)]
                monitor_labels = setup.monitor_labels if self._signs_due(trainer.step) else None
                result = trainer.take_step(taken, progress, monitor_labels=monitor_labels)
                asked.trained = True
                seconds, mark = time.perf_counter() - mark, time.perf_counter()
                self._log(metrics, result, taken, seconds)
                with contextlib.suppress(OSError):  # a line that cannot be shown ends no run
                    self.watcher.on_step(trainer.step, steps, self.numbers)
                stop = largest(asked.signum)
                if stop or trainer.step == steps or trainer.step % setup.checkpoint_every == 0:
                    self.save()
                if stop:
                    raise Interrupted(stop)
                if setup.profile is not None:
                    setup.profile.on_step()

    def _log(
        self, metrics: Metrics | None, result: StepResult, taken: list[Batch], seconds: float
    ) -> None:
        """Numbers of this step; ``step`` counts the steps that came before it."""
        setup, step = self.setup, self.setup.trainer.step - 1
        memory = dict(setup.trainer.memory.items())
        relabelled = label_changes(memory, setup.length.progress(step))
        due = self._signs_due(step) or step % setup.log_every == 0 or self._knn_due(step)
        if not (due or relabelled):
            return
        waited = sum(batch.waited for batch in taken)
        images = sum(len(batch.items) for batch in taken) * setup.fabric.world_size
        line = {
            "step": step,
            "epoch": (step + 1) / setup.length.steps_per_epoch,
            "loss": result.loss,
            **{f"loss/{name}": part for name, part in result.terms.items()},
            "grad_norm": result.grad_norm,
            "lr": result.lr,
            "images_per_second": images / seconds,
            "data_wait": min(waited / seconds, 1.0),
            "bad_files": len(setup.reader.bad),
            **relabelled,
        }
        if self._signs_due(step):
            line |= signs(setup.method, result.context)
        if setup.probe is not None and self._knn_due(step):
            encoder = setup.encoder()
            if self._first:
                line["knn"] = setup.probe(encoder)
        self.numbers = self.numbers | line
        if metrics is not None:
            metrics.write(line)
        if "rankme" in line:
            self._sound_alarm(step, line)

    def _signs_due(self, step: int) -> bool:
        setup = self.setup
        return step % setup.signs_every == 0 or step + 1 == setup.length.steps

    def _knn_due(self, step: int) -> bool:
        setup = self.setup
        if setup.probe is None:
            return False
        return (step + 1) % setup.knn_every == 0 or step + 1 == setup.length.steps

    def _sound_alarm(self, step: int, line: dict[str, float]) -> None:
        message = self.alarm.check(step, line)
        # One rank may see it a little earlier than another; they stop together.
        if not largest(int(message is not None)):
            return
        message = message or "collapse: seen by another process"
        with contextlib.suppress(OSError):
            self.watcher.on_message(message)
        self.record.setdefault("alarms", []).append({"step": step, "message": message})
        if self.setup.settings.stop_on_collapse:
            self.save()
            self._note("collapsed", reason=message)
            raise Collapsed(message)

    def save(self) -> None:
        """Write checkpoint, encoder and record; the old ones stay until the new are whole."""
        trainer = self.setup.trainer
        state = trainer.state() | flattened_optimiser(trainer.optimiser.optimizer)
        encoder = self.setup.encoder()
        alarm = {
            "since": self.alarm.since,
            "bad": self.alarm.bad,
            "sounded": self.alarm.sounded,
        }
        facts = {
            "step": trainer.step,
            "pace": trainer.pace.share,
            "alarm": alarm,
            "seconds": self._seconds(),
            "scaler": self.setup.scaler_state(),
            "sealed": sealed(self.record),
        }

        def write() -> None:
            save(self.directory / CHECKPOINT, state, facts)
            save_encoder(encoder, self.directory)

        from_first(write)  # no rank goes on before all is written
        self._note("running")

    def _note(self, status: str, **facts: Any) -> None:
        """Bring run.json up to date."""
        self.record |= {
            "status": status,
            "step": self.setup.trainer.step,
            "seconds": round(self._seconds(), 3),
            "updated": now(),
            "bad_files": self._bad_files(),
            "last": self.numbers,
            **facts,
        }
        if self.setup.profile is not None:
            self.record["profile"] = self.setup.profile.table()
        if self._first:
            write_json(self.directory / "run.json", self.record)

    def _note_end(self, status: str, **facts: Any) -> None:
        """As `_note`, of a run that ends for a reason that must not be hidden by another."""
        with contextlib.suppress(UserError):
            self._note(status, **facts)

    def _bad_files(self) -> list[dict[str, Any]]:
        """Those met in this process, and those met before the run was stopped."""
        known = {entry["index"]: entry for entry in self.record.get("bad_files", [])}
        before, source = len(known), self.setup.source
        for entry in self.setup.reader.bad:
            known[entry.index] = {**asdict(entry), "label": int(source.label(entry.index))}
        if len(known) > before and self._first:
            # Enough to go on with when these files are taken away or mended.
            keys = {entry["key"] for entry in known.values()}
            self.record["data"]["good"] = good_keys(source, keys)
        return [known[index] for index in sorted(known)]

    def _explain(self, error: NonFiniteLoss) -> str:
        saved = self.directory / CHECKPOINT
        kept = (
            f"the last good checkpoint is {saved}" if saved.exists() else "none was saved yet"
        )
        half = self.setup.precision != "32-true"
        cure = 'precision="32-true" or a lower lr' if half else "a lower lr or longer warm-up"
        return (
            f"training: the loss must be finite, got {error}; the weights were not touched, "
            f"{kept}; try {cure}"
        )

    def _seconds(self) -> float:
        return self.seconds_before + time.perf_counter() - self.began

    @property
    def _first(self) -> bool:
        return self.setup.fabric.is_global_zero
