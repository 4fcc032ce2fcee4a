"""Numbers that change while training: pure functions of progress."""

import math
from dataclasses import dataclass

SECOND_WARMUP = 0.1  # of the steps that a run is lengthened by, at most


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a run stands.

    Args:
        step: optimiser steps already taken.
        steps: in the whole run.
        steps_per_epoch: may be fractional when a run is counted in minutes.
        since: step at which the present schedule began; above 0 in a run that was lengthened.
            Shares of the run count from there, epochs from the first step.
    """

    step: int
    steps: int
    steps_per_epoch: float
    since: int = 0

    @property
    def fraction(self) -> float:
        """Share of the present schedule that is over, in [0, 1]."""
        return min((self.step - self.since) / max(self.steps - self.since, 1), 1.0)

    @property
    def epoch(self) -> float:
        """Epochs that are over, with a fraction."""
        return self.step / self.steps_per_epoch

    @property
    def begins_epoch(self) -> bool:
        """Whether this is the first step of an epoch."""
        return self.step == 0 or int(self.epoch) > int((self.step - 1) / self.steps_per_epoch)


@dataclass(frozen=True, slots=True)
class Cosine:
    """Half a cosine from ``start`` to ``end`` over the whole schedule."""

    start: float
    end: float

    def __call__(self, progress: Progress) -> float:
        """The value now."""
        share = 0.5 * (1 + math.cos(math.pi * progress.fraction))
        return self.end + (self.start - self.end) * share


@dataclass(frozen=True, slots=True)
class Line:
    """Linear from ``start`` to ``end`` over the whole schedule."""

    start: float
    end: float

    def __call__(self, progress: Progress) -> float:
        """The value now."""
        return self.start + (self.end - self.start) * progress.fraction


@dataclass(frozen=True, slots=True)
class Ramp:
    """Linear from ``start`` to ``end`` over the first ``epochs``, then constant."""

    start: float
    end: float
    epochs: float

    def __call__(self, progress: Progress) -> float:
        """The value now."""
        share = 1.0 if self.epochs <= 0 else min(progress.epoch / self.epochs, 1.0)
        return self.start + (self.end - self.start) * share


@dataclass(frozen=True, slots=True)
class WarmCosine:
    """Linear from 0 to ``peak`` over ``warmup_epochs``, then half a cosine to ``end``.

    The schedule of a run that was lengthened warms up as well, in a tenth of its steps at most:
    a jump from the old end to the peak would undo what was learned.
    """

    peak: float
    warmup_epochs: float
    end: float = 0.0

    def __call__(self, progress: Progress) -> float:
        """The value now."""
        step, steps = progress.step - progress.since, progress.steps - progress.since
        longest = steps * SECOND_WARMUP if progress.since else steps
        warm = min(self.warmup_epochs * progress.steps_per_epoch, longest)
        if step < warm:
            return self.peak * step / warm
        rest = max(steps - warm, 1)
        share = min((step - warm) / rest, 1.0)
        return self.end + (self.peak - self.end) * 0.5 * (1 + math.cos(math.pi * share))


Scalar = float | Cosine | Line | Ramp | WarmCosine


def value(scalar: Scalar, progress: Progress) -> float:
    """A plain number, whatever kind of scalar it is."""
    return scalar if isinstance(scalar, int | float) else scalar(progress)
