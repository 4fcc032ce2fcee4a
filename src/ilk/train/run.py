"""The loop: from settings and a source to a directory with an encoder in it."""

import contextlib
import time
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, NoReturn, Protocol, runtime_checkable

from torch import Tensor

from ilk.core import UserError
from ilk.networks import save_learned
from ilk.train.guard.begun import guard_of
from ilk.train.guard.guard import Worsened
from ilk.train.loop.loader import Batch
from ilk.train.loop.monitor import CollapseAlarm, alarming, label_changes, signs
from ilk.train.loop.step_result import NonFiniteLoss, StepResult, explained
from ilk.train.processes.ranks import from_first, largest
from ilk.train.processes.signals import Asked, Interrupted, collected_signals
from ilk.train.records.checkpoint import save
from ilk.train.records.mended import bad_files, listed_bad
from ilk.train.records.metrics import Metrics
from ilk.train.records.record import now, write_json
from ilk.train.records.seal import sealed
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
        self.guard = guard_of(setup, directory, watcher.on_message)
        self.numbers: dict[str, float] = {}
        self.seconds_before = 0.0

    def resume(self, tensors: dict[str, Tensor], facts: dict[str, Any]) -> None:
        """Take everything back from the checkpoint that `read_checkpoint` has read."""
        where = f"checkpoint: {self.directory / CHECKPOINT}"
        trainer = self.setup.trainer
        self.setup.put_back(tensors, facts["scaler"], where)
        trainer.step = facts["step"]
        trainer.pace = replace(trainer.pace, share=facts.get("pace", 1.0))
        read = trainer.step * self.setup.batch_size
        self.setup.reader.remember(listed_bad([self.record]), read)
        self.alarm = CollapseAlarm(**facts["alarm"])
        self.seconds_before = facts["seconds"]
        if self.guard is not None and "guard" in facts:
            self.guard.resume(facts["guard"], f"{where}: guard")
        else:  # a run that began before there was one
            self.guard = None

    def go(self) -> None:
        """Train to the end.

        Raises:
            Interrupted: by SIGTERM, SIGHUP or Ctrl-C, after a checkpoint.
            Collapsed: when the settings say that a collapse ends the run.
            Worsened: the guard turned it back a second time.
            UserError: the loss is not finite, too many files are bad, or a disk is full.
        """
        self.began = time.perf_counter()
        step, tell = self.setup.trainer.step, self.watcher.on_message
        metrics = Metrics(self.directory, step, tell) if self._first else None
        self._note("running")
        try:
            with collected_signals() as asked:
                self._begin_guard()
                self._steps(metrics, asked)
        except Interrupted:
            self._note_end("interrupted")
            raise
        except NonFiniteLoss as error:
            self._note_end("failed", reason=str(error))
            saved, half = self.directory / CHECKPOINT, self.setup.precision != "32-true"
            raise UserError(explained(error, saved, half=half)) from error
        except (UserError, OSError) as error:
            self._note_end("failed", reason=str(error))
            raise
        finally:
            if metrics is not None:
                metrics.close()
        self._note("finished")

    def _steps(self, metrics: Metrics | None, asked: Asked) -> None:
        setup, trainer = self.setup, self.setup.trainer
        steps, micro = setup.length.steps, setup.settings.accumulate
        batches = setup.loader.batches(trainer.step * micro, steps * micro)
        with contextlib.closing(batches):
            self.mark = time.perf_counter()
            while trainer.step < steps:
                try:
                    self._step(batches, metrics)
                except NonFiniteLoss as error:
                    self._give_up_step(error)
                asked.trained = True
                with contextlib.suppress(OSError):  # a line that cannot be shown ends no run
                    self.watcher.on_step(trainer.step, steps, self.numbers)
                stop = largest(asked.signum)
                if stop or trainer.step == steps or trainer.step % setup.checkpoint_every == 0:
                    self.save()
                if stop:
                    raise Interrupted(stop)
                if setup.profile is not None:
                    setup.profile.on_step()

    def _step(self, batches: Iterator[Batch], metrics: Metrics | None) -> None:
        setup, trainer = self.setup, self.setup.trainer
        progress = setup.length.progress(trainer.step)
        with trainer.clock("waiting"):
            taken = [next(batches) for _ in range(setup.settings.accumulate)]
        monitor_labels = setup.monitor_labels if setup.signs_due(trainer.step) else None
        result = trainer.take_step(taken, progress, monitor_labels=monitor_labels)
        seconds, self.mark = time.perf_counter() - self.mark, time.perf_counter()
        scores, worse = self._look()
        self._log(metrics, result, taken, seconds, scores)
        if worse is not None:
            self._turn_back(worse)

    def _begin_guard(self) -> None:
        """Score the weights that were given; a run that was stopped meanwhile stays so."""
        if self.guard is None:
            return
        if self.guard.start is None:
            self.guard.begin(self._facts())
            self._note("running")
        if self.guard.stops:
            self._stop("guard: the run was stopped")

    def _look(self) -> tuple[dict[str, float], str | None]:
        """Scores of the guard after this step, and why the run must turn back, if it must."""
        if self.guard is None or not self.guard.due(self.setup.trainer.step):
            return {}, None
        return self.guard.look(self._facts())

    def _give_up_step(self, error: NonFiniteLoss) -> None:
        """A loss that is not finite is the worst that a guard can see; without one it ends."""
        if self.guard is None or not self.guard.decides:
            raise error
        self.setup.trainer.step += 1
        self._turn_back(f"the loss was not finite ({error})")

    def _turn_back(self, why: str) -> None:
        """Go on from the best weights at a lower rate; at the second time, stop with them."""
        guard = self.guard
        assert guard is not None, "only a guard turns back"
        words = guard.turn_back(why)
        self.alarm = CollapseAlarm()
        words += "; the run is stopped" if guard.stops else "; the learning rate is a tenth now"
        with contextlib.suppress(OSError):
            self.watcher.on_message(words)
        self.save()
        if guard.stops:
            self._stop(words)

    def _stop(self, words: str) -> NoReturn:
        self._note("stopped", reason=words)
        raise Worsened(words)

    def _log(
        self,
        metrics: Metrics | None,
        result: StepResult,
        taken: list[Batch],
        seconds: float,
        scores: dict[str, float],
    ) -> None:
        """Numbers of this step; ``step`` counts the steps that came before it."""
        setup, step = self.setup, self.setup.trainer.step - 1
        memory = dict(setup.trainer.memory.items())
        relabelled = label_changes(memory, setup.length.progress(step))
        due = setup.signs_due(step) or step % setup.log_every == 0 or setup.knn_due(step)
        if not (due or relabelled or scores):
            return
        images = sum(len(batch.items) for batch in taken) * setup.fabric.world_size
        line = {
            "step": step,
            "epoch": (step + 1) / setup.length.steps_per_epoch,
            "loss": result.loss,
            **{f"loss/{name}": part for name, part in result.terms.items()},
            "grad_norm": result.grad_norm,
            "lr": result.lr,
            "images_per_second": images / seconds,
            "data_wait": min(sum(batch.waited for batch in taken) / seconds, 1.0),
            "bad_files": len(setup.reader.bad),
            **relabelled,
            **scores,
        }
        if setup.signs_due(step):
            line |= signs(setup.method, result.context)
        if setup.probe is not None and setup.knn_due(step) and "knn" not in line:
            encoder = setup.encoder()
            if self._first:
                line["knn"] = setup.probe(encoder)
        self.numbers = self.numbers | line
        if metrics is not None:
            metrics.write(line)
        if "rankme" in line:
            self._sound_alarm(step, line)

    def _sound_alarm(self, step: int, line: dict[str, float]) -> None:
        message = self.alarm.check(step, alarming(self.setup.method, line))
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
        state, learned, facts = self.setup.state(), self.setup.learned(), self._facts()
        if self.guard is not None:
            facts["guard"] = self.guard.state()

        def write() -> None:
            save(self.directory / CHECKPOINT, state, facts)
            save_learned(*learned, self.directory)
            if self.guard is not None:
                self.guard.saved()

        from_first(write)  # no rank goes on before all is written
        self._note("running", saved=self.setup.trainer.step)

    def _facts(self) -> dict[str, Any]:
        """What a checkpoint says beside its tensors."""
        return {
            "step": self.setup.trainer.step,
            "pace": self.setup.trainer.pace.share,
            "alarm": asdict(self.alarm),
            "seconds": self._seconds(),
            "scaler": self.setup.scaler_state(),
            "sealed": sealed(self.record),
        }

    def _note(self, status: str, **facts: Any) -> None:
        """Bring run.json up to date."""
        self.record |= {
            "status": status,
            "step": self.setup.trainer.step,
            "seconds": round(self._seconds(), 3),
            "updated": now(),
            "bad_files": bad_files(self.record, self.setup.reader.bad, self.setup.source),
            "last": self.numbers,
            **facts,
        }
        if self.guard is not None:
            self.record["guard"] = self.guard.report()
        if self.setup.profile is not None:
            self.record["profile"] = self.setup.profile.table()
        if self._first:
            write_json(self.directory / "run.json", self.record)

    def _note_end(self, status: str, **facts: Any) -> None:
        """As `_note`, of a run that ends for a reason that must not be hidden by another."""
        with contextlib.suppress(UserError):
            self._note(status, **facts)

    def _seconds(self) -> float:
        return self.seconds_before + time.perf_counter() - self.began

    @property
    def _first(self) -> bool:
        return self.setup.fabric.is_global_zero
