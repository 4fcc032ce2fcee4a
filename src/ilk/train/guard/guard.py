"""The guard of a run that begins with given weights: looks, turns back, and says what came."""

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from torch import Tensor

from ilk.core import UserError
from ilk.core.fields import (
    ANYTHING,
    Kind,
    check_fields,
    fixed,
    keyed,
    listed,
    one_of,
    text,
    whole,
)
from ilk.train.guard.look import Look
from ilk.train.guard.reported import compared, shown
from ilk.train.guard.scores import RightNeighbours, Scorer, mean
from ilk.train.guard.verdict import CHANCE, why_worse
from ilk.train.length import Length
from ilk.train.processes.ranks import from_first, tensors_from_first
from ilk.train.records.checkpoint import load, save
from ilk.train.setup import Setup

BEST = ("best-1.safetensors", "best-2.safetensors")  # one of them, both between two saves
SLOWER = 0.1  # share of the learning rate that is left once a run was turned back
TURNS = 2  # the run is stopped at this one
LONGEST = 1000  # letters of a reason that a checkpoint keeps
TURNED = listed(
    fixed({"step": whole(0, 10**12), "to": whole(0, 10**12), "why": text(LONGEST)}), TURNS
)
STATE: Mapping[str, Kind] = {
    "start": keyed(ANYTHING),
    "best": keyed(ANYTHING),
    "last": keyed(ANYTHING),
    "file": one_of(*BEST),
    "turns": TURNED,
}


class Worsened(Exception):
    """The guard ended the run; the best weights, or the given ones, are its encoder."""


def looks_of(length: Length, every: int, rested: int) -> int:
    """How many looks there are in the present schedule: see `Guard.due`.

    Args:
        length: that the run has.
        every: steps between two looks.
        rested: step at which heads have learned alone, 0 for none.
    """
    usual = length.steps // every - length.since // every
    last = length.steps % every != 0
    apart = length.since < rested < length.steps and rested % every != 0
    return usual + last + apart


@dataclass(slots=True)
class Guard:
    """Scores the encoder of a run, keeps its best weights and puts them back.

    Rank 0 scores and decides, and all ranks do what it says.

    Args:
        setup: the setup of the run.
        directory: the directory of the run.
        scorer: the scorer of encoders.
        every: steps between two looks.
        decides: whether it turns the run back; else only the first and last encoder are scored.
    """

    setup: Setup
    directory: Path
    scorer: Scorer
    every: int
    decides: bool
    start: Look | None = None
    best: Look | None = None
    last: Look | None = None
    turns: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    file: str = BEST[0]
    _saved: str | None = None  # the file that the last checkpoint names

    def begin(self, facts: Mapping[str, Any]) -> None:
        """Score the weights that were given, before the first step.

        Args:
            facts: facts of a checkpoint.

        Raises:
            UserError: the best weights cannot be written.
        """
        self.start = self.best = self.last = self._scored()
        self._keep(facts)

    def due(self, step: int) -> bool:
        """Whether there is a look after so many steps."""
        last = step == self.setup.length.steps
        return last or (self.decides and (step % self.every == 0 or step == self._rested))

    @property
    def _rested(self) -> int | None:
        """The step at which heads have learned alone; a run that turns back goes on there."""
        return self.setup.trainer.settle.until or None

    def look(self, facts: Mapping[str, Any]) -> tuple[dict[str, float], str | None]:
        """Score the encoder as it is; the weights are kept where they are the best.

        Args:
            facts: facts of a checkpoint.

        Returns:
            Numbers for the log, and why the run must turn back, if it must.
        """
        start, best = self._begun()
        self.last = look = self._scored()
        why = why_worse(look.scores, start.scores, self.looks, self.scorer.name)
        if self.decides and why is not None:
            return self._numbers(look), why
        better = look.scores.value > best.scores.value or look.step == self._rested
        if self.decides and better:
            self.best = look
            self._keep(facts)
        return self._numbers(look), None

    def turn_back(self, why: str) -> str:
        """Put the best weights back and lower the learning rate.

        Args:
            why: what is worse.

        Returns:
            What was done, in words.

        Raises:
            UserError: the best weights are gone or damaged.
        """
        start, best = self._begun()
        trainer, path = self.setup.trainer, self.directory / self.file
        step = trainer.step
        tensors, facts = tensors_from_first(lambda: self._read(path))
        self.setup.put_back(tensors, facts["scaler"], f"guard: {path}")
        if best.step == self._rested:  # weights of before the teacher became the student
            trainer.settle.follow()
        trainer.settle.put_back(step, best.step)
        self.turns.append({"step": step, "to": best.step, "why": why[:LONGEST]})
        self.last = best
        trainer.pace = replace(trainer.pace, share=SLOWER ** len(self.turns))
        to = f"of step {best.step}" if best.step else "that were given"
        return (
            f"guard: after step {step} {why}; the weights {to} were put back "
            f"({self.scorer.name} {best.scores.value:.1%}, at the start "
            f"{start.scores.value:.1%})"
        )

    @property
    def stops(self) -> bool:
        """Whether the run was turned back once too often."""
        return len(self.turns) >= TURNS

    @property
    def looks(self) -> int:
        """How many there are in the present schedule."""
        return looks_of(self.setup.length, self.every, self._rested or 0)

    def state(self) -> dict[str, Any]:
        """What a checkpoint holds of it."""
        start, best = self._begun()
        looks = {"start": start, "best": best, "last": self.last or best}
        kept = {name: look.as_record() for name, look in looks.items()}
        return kept | {"file": self.file, "turns": self.turns}

    def resume(self, state: Any, where: str) -> None:
        """Take back what `state` gave.

        Raises:
            UserError: it is none.
        """
        known = check_fields(state, STATE, where)
        self.start, self.best, self.last = (
            Look.read(known[name], f"{where}: {name}") for name in ("start", "best", "last")
        )
        self.turns = list(known["turns"])
        for turn in self.turns:
            self.setup.trainer.settle.put_back(turn["step"], turn["to"])
        self.file = self._saved = known["file"]

    def saved(self) -> None:
        """A checkpoint that names the best weights is on the disk: drop those before them."""
        self._saved = self.file
        with contextlib.suppress(OSError):
            (self.directory / _other(self.file)).unlink(missing_ok=True)

    def report(self) -> dict[str, Any]:
        """For run.json."""
        if self.start is None or self.best is None or self.last is None:
            return {}
        return {
            "decides": self.decides,
            "every": self.every,
            "chance": CHANCE,
            "looks": self.looks,
            "best": shown(self.best),
            "turns": self.turns,
            **compared(self.start, self.last, self.scorer),
        }

    def _scored(self) -> Look:
        encoder = self.setup.encoder()
        return Look(self.setup.trainer.step, from_first(lambda: self.scorer(encoder)))

    def _begun(self) -> tuple[Look, Look]:
        """The start and the best so far."""
        assert self.start is not None, "a run begins with a score"
        return self.start, self.best or self.start

    def _numbers(self, look: Look) -> dict[str, float]:
        scores = look.scores
        out = {self.scorer.key: scores.value, "guard_rankme": scores.rankme}
        out |= {} if scores.labelled is None else {RightNeighbours.key: mean(scores.labelled)}
        return out | ({} if scores.lidar is None else {"guard_lidar": scores.lidar})

    def _keep(self, facts: Mapping[str, Any]) -> None:
        """Write the weights as they are beside those that the last checkpoint names."""
        if not self.decides:
            return
        self.file = BEST[0] if self._saved is None else _other(self._saved)
        state = self.setup.state()
        from_first(lambda: save(self.directory / self.file, state, facts))

    def _read(self, path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
        step = self._begun()[1].step
        tensors, facts = load(path)
        if facts.get("step") != step:
            raise UserError(
                f"guard: {path} must hold the weights of step {step}, got those of "
                f"{str(facts.get('step'))[:20]}; put the file back"
            )
        return tensors, facts


def turns_in(state: Mapping[str, Any], where: str) -> list[dict[str, Any]]:
    """Where a run turned back, by what a checkpoint holds of its guard.

    Raises:
        UserError: it is nothing of the kind.
    """
    return list(check_fields(state, {"turns": TURNED}, where, others=True)["turns"])


def _other(name: str) -> str:
    return BEST[1] if name == BEST[0] else BEST[0]
