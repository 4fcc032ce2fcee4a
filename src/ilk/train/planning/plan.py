"""Decides what a person left open, and says what the run will take, before its first step."""

import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, TypeVar

from lightning_fabric import Fabric

from ilk.data import Source
from ilk.methods import recipe
from ilk.networks import OWN, Encoder
from ilk.train.assemble import method_without_weights, parameters
from ilk.train.devices import Precision, launch_fabric
from ilk.train.length import SCORES, Length, length_of
from ilk.train.loop.probe import GALLERY, QUERIES
from ilk.train.planning import choices, defaults, room
from ilk.train.planning.defaults import Facts
from ilk.train.planning.machine import Memory, memory_of
from ilk.train.planning.measure import Cost, measure
from ilk.train.planning.survey import Survey, natural_size, survey, unseen
from ilk.train.planning.words import changing, running, taking
from ilk.train.processes.ranks import from_first
from ilk.train.settings import Settings
from ilk.train.setup import Setup

SAVE_SECONDS = 60.0  # between checkpoints at least, where nothing is said

T = TypeVar("T")
Say = Callable[[str], None]


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """What a run does and takes.

    Args:
        settings: with nothing left open.
        length: in steps.
        survey: of the images.
        chosen: what was not named and is not the paper's, by name.
        seconds: of the whole run, scores included; None when it was not measured.
        step_seconds: of a step, likewise.
        memory: the most that will be held, in bytes, likewise.
        reachable: what may be held, in bytes.
    """

    settings: Settings
    length: Length
    survey: Survey
    chosen: Mapping[str, Any]
    seconds: float | None = None
    step_seconds: float | None = None
    memory: int | None = None
    reachable: int = 0

    def record(self) -> dict[str, Any]:
        """For run.json."""
        return {
            "survey": asdict(self.survey),
            "chosen": dict(self.chosen),
            "seconds": self.seconds,
            "step_seconds": self.step_seconds,
            "memory": self.memory,
            "reachable_memory": self.reachable,
        }


def plan(
    settings: Settings,
    source: Source,
    fabric: tuple[Fabric, Precision],
    say: Say | None = None,
) -> Plan:
    """Choose, measure and predict; all processes must ask at once.

    Where everything is named and nobody listens, no image is read and nothing is measured.

    Args:
        settings: as a person gave them.
        source: the images.
        fabric: devices and precision.
        say: is given the plan, line by line as it becomes known.

    Raises:
        UserError: something cannot be done as asked, or there is not memory enough for it.
    """
    return _Planner(settings, source, fabric, say).plan()


def planned_setup(
    settings: Settings, source: Source, say: Say | None, start: Encoder | None = None
) -> tuple[Setup, Plan]:
    """All parts of a run as planned, and its plan; errors as in ``plan``.

    Args:
        settings: as a person gave them.
        source: the images.
        say: is given the plan, line by line.
        start: the backbone with the weights to start from; None is random ones.
    """
    fabric = launch_fabric(settings)
    made = plan(settings, source, fabric, say)
    setup = Setup(made.settings, source, length=made.length, fabric=fabric, start=start)
    return setup, made


@dataclass(slots=True)
class _Planner:
    asked: Settings
    source: Source
    fabric: tuple[Fabric, Precision]
    say: Say | None
    survey: Survey = field(init=False)
    row: defaults.Network = field(init=False)

    def plan(self) -> Plan:
        asked, quiet = self.asked, self.say is None and self._all_named()
        if quiet and asked.backbone is not None and asked.image_size is not None:
            self.survey = unseen(self.source)
        else:
            self.survey = from_first(lambda: survey(self.source, asked.channels))
        self._tell("found", self.survey.words())
        settings = self._with_network()
        memory = memory_of(self.fabric[0].device)
        if quiet:
            facts = self._facts(settings)
            length = length_of(settings, self._per_epoch(settings), None)
            settings = self._with_method(settings, self._lasting(facts, length))
            return self._made(settings, length, None, memory)
        size = settings.image_size or 0
        room.check_weights(settings.backbone or "", parameters(settings, size), memory)
        trial = self._with_method(settings, self._facts(settings))
        allowed = room.allowed(memory, named=self.asked.batch_size is not None)
        cost = measure(
            trial, self.source, self.fabric, self._micro(settings),
            allowed=allowed, scored=self._scored(settings),
        )  # fmt: skip
        settings = self._with_batch(settings, cost, allowed)
        length = self._length(settings, cost)
        facts = self._lasting(self._facts(settings), length)
        settings = self._paced(self._with_method(settings, facts), cost, length)
        made = self._shared(self._made(settings, length, cost, memory))
        self._tell_plan(made)
        return made

    def _all_named(self) -> bool:
        asked = self.asked
        lasting = asked.steps is not None or asked.epochs is not None
        return asked.batch_size is not None and lasting

    def _with_network(self) -> Settings:
        """Backbone, image size and batch."""
        asked, survey = self.asked, self.survey
        device = self.fabric[0].device.type
        facts = Facts(images=survey.images, side=survey.side, device=device)
        self.row = choices.network_for(facts)
        fitted = asked.defaults == "fitted"
        backbone = asked.backbone or (self.row.backbone if fitted else defaults.PAPER_BACKBONE)
        largest = 224
        if fitted and backbone in {self.row.backbone, *OWN}:
            largest = self.row.largest
        size = asked.image_size or natural_size(survey.side, largest)
        settings = replace(asked, backbone=backbone, image_size=size)
        return replace(settings, batch_size=asked.batch_size or self._batch(settings, facts))

    def _batch(self, settings: Settings, facts: Facts) -> int:
        """Before memory is looked at; over all devices, and whole micro-batches."""
        parts = self.fabric[0].world_size * settings.accumulate
        paper = method_without_weights(settings).batch_size
        if settings.defaults == "paper":
            most = min(paper, defaults.PAPER_BATCH * parts)
            batch = min(most, max(facts.images // 2 * 2, 1))
        else:
            batch = choices.batch_for(facts, min(paper, self.row.batch * parts))
        return max(batch // parts, 1) * parts

    def _facts(self, settings: Settings) -> Facts:
        assert settings.image_size is not None
        return Facts(
            images=self.survey.images,
            side=self.survey.side,
            device=self.fabric[0].device.type,
            parameters=parameters(settings, settings.image_size),
            batch=settings.batch_size or 0,
            weights=settings.weights is not None,
        )

    @staticmethod
    def _lasting(facts: Facts, length: Length) -> Facts:
        return replace(facts, epochs=length.steps / length.steps_per_epoch, steps=length.steps)

    def _with_method(self, settings: Settings, facts: Facts) -> Settings:
        """Fields of the method and its optimisation that were not named."""
        if settings.defaults == "paper":
            return settings
        asked = self.asked
        made = recipe(asked.method, asked.method_options)
        fields = choices.method_options(asked.method, made, facts, asked.method_options)
        settings = replace(settings, method_options={**fields, **asked.method_options})
        moved = choices.optimiser_options(
            facts,
            method_without_weights(settings).optimisation.warmup_epochs,
            asked.optimiser_options,
            asked.method_options,
        )
        return replace(settings, optimiser_options={**moved, **asked.optimiser_options})

    def _micro(self, settings: Settings) -> int:
        parts = self.fabric[0].world_size * settings.accumulate
        assert settings.batch_size is not None
        return max(settings.batch_size // parts, 1)

    def _with_batch(self, settings: Settings, cost: Cost, allowed: float) -> Settings:
        """A batch that fits."""
        world, micro = self.fabric[0].world_size, self._micro(settings)
        fits = self._shared(min(cost.fitting(allowed), micro))
        if micro <= fits:
            return settings
        asked = self.asked.batch_size is not None
        batch = room.fitting(settings, cost, allowed, micro, fits, world=world, named=asked)
        return replace(settings, batch_size=batch)

    def _per_epoch(self, settings: Settings) -> float:
        joint = self._micro(settings) * self.fabric[0].world_size
        return max(self.survey.images // joint, 1) / settings.accumulate

    def _length(self, settings: Settings, cost: Cost) -> Length:
        per_epoch = self._per_epoch(settings)
        asked = settings.steps or settings.epochs
        if asked is not None or (settings.minutes is None and settings.defaults == "paper"):
            return length_of(settings, per_epoch, None)
        minutes = settings.minutes or self.row.minutes
        if minutes is None:
            epochs = choices.epochs_for(per_epoch)
            return length_of(replace(settings, epochs=epochs), per_epoch, None)
        step = cost.seconds_of(self._micro(settings), settings.accumulate)
        score = self._score_seconds(settings, cost)
        most = (minutes * 60 - SCORES * score) / step
        if most / per_epoch < SCORES:  # then there is a score after each epoch
            most = minutes * 60 / (step + score / per_epoch)
        if settings.minutes is None:
            most = min(most, defaults.MOST_EPOCHS * per_epoch)
        return Length(self._shared(max(int(most), 1)), per_epoch)

    def _score_seconds(self, settings: Settings, cost: Cost) -> float:
        """Of one online score."""
        if not self._scored(settings):
            return 0.0
        return cost.embedding * min(self.survey.images, GALLERY + QUERIES)

    def _scored(self, settings: Settings) -> bool:
        return self.survey.classes >= 2 and settings.knn_every != 0

    def _paced(self, settings: Settings, cost: Cost, length: Length) -> Settings:
        """Checkpoints once an epoch, but not more often than once a minute."""
        if settings.checkpoint_every is not None:
            return settings
        step = cost.seconds_of(self._micro(settings), settings.accumulate)
        every = max(round(length.steps_per_epoch), math.ceil(SAVE_SECONDS / step), 1)
        return replace(settings, checkpoint_every=self._shared(every))

    def _made(
        self, settings: Settings, length: Length, cost: Cost | None, memory: Memory
    ) -> Plan:
        made = Plan(
            settings=settings,
            length=length,
            survey=self.survey,
            chosen=choices.differences(self.asked, settings),
            reachable=memory.reachable,
        )
        if cost is None:
            return made
        step = cost.seconds_of(self._micro(settings), settings.accumulate)
        scores = length.scores(settings.knn_every) * self._score_seconds(settings, cost)
        return replace(
            made,
            seconds=step * length.steps + scores,
            step_seconds=step,
            memory=cost.memory_of(self._micro(settings)),
        )

    def _tell_plan(self, made: Plan) -> None:
        self._tell("runs", running(made.settings, made.chosen, self.row.why))
        assert made.seconds is not None
        assert made.step_seconds is not None
        assert made.memory is not None
        self._tell("takes", taking(made.settings, made.length, made.seconds,
                                   made.step_seconds, made.memory, made.reachable))  # fmt: skip
        self._tell("change", changing(made.settings, made.length, self.asked))

    def _tell(self, word: str, line: str) -> None:
        if self.say is not None:
            self.say(f"{word:<7} {line}")

    @staticmethod
    def _shared(value: T) -> T:
        """What the first process found, so that all go by the same."""
        return from_first(lambda: value)
