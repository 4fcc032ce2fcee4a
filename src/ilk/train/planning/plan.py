"""Decides what a person left open, and says what the run will take, before its first step."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TypeVar

from lightning_fabric import Fabric

from ilk.data import Source
from ilk.method import largest
from ilk.networks import Encoder
from ilk.train.assemble import head_parameters, method_without_weights, sizes
from ilk.train.devices import Precision
from ilk.train.images import remarks
from ilk.train.length import Length, length_of
from ilk.train.loop.probe import GALLERY, QUERIES
from ilk.train.planning import choices, defaults, mixing, room
from ilk.train.planning.facts import Facts
from ilk.train.planning.guarding import look_seconds, seconds_of, spaced, within
from ilk.train.planning.machine import Memory, memory_of
from ilk.train.planning.made import Plan
from ilk.train.planning.measure import Cost, measure
from ilk.train.planning.packing import packing_line
from ilk.train.planning.precision import planned_fabric
from ilk.train.planning.survey import Survey, check_enough, surveyed
from ilk.train.planning.timing import Timing
from ilk.train.planning.tuning import tuned, with_parts
from ilk.train.planning.words import Takes, changing, running, taking, warnings
from ilk.train.processes.ranks import from_first
from ilk.train.settings import AUTO, Settings
from ilk.train.setup import Setup

SAVE_SECONDS = 60.0  # between checkpoints at least, by default

T = TypeVar("T")
Say = Callable[[str], None]


def plan(
    settings: Settings,
    source: Source,
    fabric: tuple[Fabric, Precision],
    say: Say | None = None,
    began: float | None = None,
) -> Plan:
    """Choose, measure and predict; all processes must ask at once.

    Where everything is named and there is no ``say``, no image is read and nothing is measured.

    Args:
        settings: as a person gave them.
        source: the images.
        fabric: devices and precision.
        say: is given the plan, line by line as it becomes known.
        began: ``time.monotonic()`` when the command, whose minutes run, began; None is now.

    Raises:
        UserError: something cannot be done as asked, or there is not memory enough for it.
    """
    began = time.monotonic() if began is None else began
    return _Planner(settings, source, fabric, say, began).plan()


def planned_setup(
    settings: Settings,
    source: Source,
    say: Say | None,
    start: Encoder | None = None,
    began: float | None = None,
) -> tuple[Setup, Plan]:
    """All parts of a run as planned, and its plan; errors as in ``plan``.

    Args:
        settings: as a person gave them.
        source: the images.
        say: is given the plan, line by line.
        start: the backbone with the weights to start from; None is random ones.
        began: as in ``plan``.
    """
    made = plan(settings, source, fabric := planned_fabric(settings), say, began)
    return Setup(made.settings, source, length=made.length, fabric=fabric, start=start), made


@dataclass(slots=True)
class _Planner:
    asked: Settings
    source: Source
    fabric: tuple[Fabric, Precision]
    say: Say | None
    began: float
    capped: bool = field(init=False, default=False)
    mixing: str = field(init=False, default="")
    survey: Survey = field(init=False)
    row: defaults.Network = field(init=False)

    def plan(self) -> Plan:
        asked, quiet = self.asked, self.say is None and self._all_named()
        self.survey = from_first(lambda: surveyed(self.source, asked, quiet=quiet))
        self._tell("found", self.survey.words())
        for word, line in remarks(asked, self.source):
            self._tell(word, line)
        check_enough(self.survey, asked)
        settings = self._with_network()
        memory = memory_of(self.fabric[0].device)
        if quiet:
            length = length_of(settings, self._per_epoch(settings), None)
            settings = self._mixed(settings, length)
            facts = self._lasting(self._facts(settings), length)
            settings = choices.with_method(asked, settings, facts)
            return self._made(settings, length, None, memory)
        begun = settings
        settings, cost, length = self._costed(begun, memory)
        mixed = self._mixed(settings, length)
        if mixed.mix not in {None, settings.mix}:  # chosen: it takes more time and memory
            begun = replace(begun, mix=mixed.mix, mix_options=mixed.mix_options)
            mixed, cost, length = self._costed(begun, memory)
        settings = mixed
        facts = self._lasting(self._facts(settings), length)
        settings = self._paced(choices.with_method(asked, settings, facts), cost, length)
        made = self._shared(self._made(settings, length, cost, memory))
        self._tell("change", changing(made.settings, asked, self.survey))
        for warning in made.warnings:
            self._tell("warning", warning)
        return made

    def _costed(self, settings: Settings, memory: Memory) -> tuple[Settings, Cost, Length]:
        """A batch that fits, what a step costs, and the length that this allows."""
        plain = replace(settings, mix=None) if settings.mix == AUTO else settings
        facts = self._facts(settings)
        trial = choices.with_method(self.asked, plain, facts)
        heads = head_parameters(trial, self.survey.images, self.survey.classes)
        room.check_weights(trial, facts, heads, memory)
        allowed = room.allowed(memory, named=self.asked.batch_size is not None)
        cost = measure(
            trial, self.source, self.fabric, self._micro(settings),
            allowed=allowed, scored=self._scored(settings),
        )  # fmt: skip
        settings = self._with_batch(settings, cost, allowed)
        length, settings = self._length(settings, self._timing(settings, cost))
        return settings, cost, length

    def _mixed(self, settings: Settings, length: Length) -> Settings:
        """The mix by its rule, where that is asked for."""
        if settings.mix != AUTO:
            return settings
        advice = mixing.advised(settings, self._facts(settings), length.steps)
        self.mixing = advice.why
        self._tell("mixes", advice.why)
        return replace(settings, mix=advice.mix, mix_options=advice.mix_options)

    def _all_named(self) -> bool:
        lengths = (self.asked.steps, self.asked.epochs)
        return self.asked.batch_size is not None and lengths != (None, None)

    def _with_network(self) -> Settings:
        """Backbone, image size and batch."""
        asked, survey = self.asked, self.survey
        device = self.fabric[0].device.type
        facts = Facts(images=survey.images, side=survey.side, device=device)
        self.row = choices.network_for(facts)
        settings = choices.with_network(asked, self.row, survey.side)
        settings = with_parts(settings, survey.images)
        return replace(settings, batch_size=asked.batch_size or self._batch(settings, facts))

    def _batch(self, settings: Settings, facts: Facts) -> int:
        """Before memory is looked at; over all devices, and whole micro-batches."""
        parts = self.fabric[0].world_size * settings.accumulate
        method = method_without_weights(settings)
        if settings.defaults == "paper":
            most = min(method.batch_size, defaults.PAPER_BATCH * parts)
            batch = min(most, max(facts.images // 2 * 2, 1))
        else:
            batch = choices.batch_for(facts, min(method.batch_size, self.row.batch * parts))
        batch = min(batch, largest(method.sampling, self.survey.labelled, facts.images))
        return max(batch // parts, 1) * parts

    def _facts(self, settings: Settings) -> Facts:
        network = sizes(settings)
        return Facts(
            images=self.survey.images,
            side=self.survey.side,
            device=self.fabric[0].device.type,
            parameters=network.parameters,
            patches=network.patches,
            learning=network.learning,
            batch=settings.batch_size or 0,
            weights=settings.weights is not None,
            tune=tuned(settings),
        )

    @staticmethod
    def _lasting(facts: Facts, length: Length) -> Facts:
        return replace(facts, epochs=length.steps / length.steps_per_epoch, steps=length.steps)

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

    def _timing(self, settings: Settings, cost: Cost) -> Timing:
        score = cost.embedding * min(self.survey.images, GALLERY + QUERIES)
        return Timing(
            step=cost.seconds_of(self._micro(settings), settings.accumulate),
            score=score if self._scored(settings) else 0.0,
            look=cost.signs,
            steps_per_epoch=self._per_epoch(settings),
            guard=look_seconds(settings, self.survey, cost.embedding),
        )

    def _length(self, settings: Settings, timing: Timing) -> tuple[Length, Settings]:
        """The length, and how often there is a score in it."""
        per_epoch = timing.steps_per_epoch
        asked = settings.steps or settings.epochs
        if asked is not None or (settings.minutes is None and settings.defaults == "paper"):
            return length_of(settings, per_epoch, None), settings
        minutes = settings.minutes or self.row.minutes
        if minutes is None:
            epochs, self.capped = choices.epochs_for(per_epoch)
            return length_of(replace(settings, epochs=epochs), per_epoch, None), settings
        left = minutes * 60 - (time.monotonic() - self.began) - timing.after
        steps, every = self._shared(within(settings, timing, left))
        if settings.minutes is None:
            epochs, self.capped = choices.at_most(steps / per_epoch)
            if self.capped:
                return length_of(replace(settings, epochs=epochs), per_epoch, None), settings
        return Length(steps, per_epoch), replace(settings, knn_every=every)

    def _scored(self, settings: Settings) -> bool:
        return self.survey.classes >= 2 and settings.knn_every != 0

    def _paced(self, settings: Settings, cost: Cost, length: Length) -> Settings:
        """Checkpoints once an epoch, but not more often than once a minute."""
        settings = self._shared(spaced(settings, length, self._timing(settings, cost))[0])
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
            mixing=self.mixing,
            reachable=memory.reachable,
        )
        if cost is None:
            return self._warned(made, None)
        timing, numbers = self._timing(settings, cost), self.fabric[1]
        takes = Takes(
            seconds=seconds_of(settings, length, timing),
            step=timing.step,
            memory=cost.memory_of(self._micro(settings)),
            reachable=memory.reachable,
            before=time.monotonic() - self.began if settings.minutes else 0.0,
            after=timing.after,
            capped=self.capped,
        )
        self._tell("runs", running(settings, made.chosen, self.row.why, self.survey, numbers))
        self._tell("takes", taking(settings, length, takes))
        made = replace(
            made, seconds=takes.seconds, step_seconds=takes.step, memory=takes.memory,
            packing=cost.packing[0] if cost.packing else None,
        )  # fmt: skip
        if cost.packing and (line := packing_line(*cost.packing)):
            self._tell("pack", line)
        return self._warned(made, takes)

    def _warned(self, made: Plan, takes: Takes | None) -> Plan:
        said = warnings(made.settings, made.length, self.survey, takes)
        return replace(made, warnings=tuple(said))

    def _tell(self, word: str, line: str) -> None:
        if self.say is not None:
            self.say(f"{word:<7} {line}")

    @staticmethod
    def _shared(value: T) -> T:
        """What the first process found, so that all go by the same."""
        return from_first(lambda: value)
