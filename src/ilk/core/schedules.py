"""Numbers that change while training: pure functions of progress."""

import math
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a run stands.

    Args:
        step: optimiser steps already taken.
        steps: in the whole run.
        steps_per_epoch: may be fractional when a run is counted in minutes.
    """

    step: int
    steps: int
    steps_per_epoch: float

    @property
    def fraction(self) -> float:
        """Share of the run that is over, in [0, 1]."""
        return min(self.step / max(self.steps, 1), 1.0)

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
    """Half a cosine from ``start`` to ``end`` over the whole run."""

    start: float
    end: float

    def __call__(self, progress: Progress) -> float:
        """The value now."""
        share = 0.5 * (1 + math.cos(math.pi * progress.fraction))
        return self.end + (self.start - self.end) * share


@dataclass(frozen=True, slots=True)
class Line:
    """Linear from ``start`` to ``end`` over the whole run."""

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
    """Linear from 0 to ``peak`` over ``warmup_epochs``, then half a cosine to ``end``."""

    peak: float
    warmup_epochs: float
    end: float = 0.0

    def __call__(self, progress: Progress) -> float:
        """The value now."""
        warm = min(self.warmup_epochs * progress.steps_per_epoch, progress.steps)
        if progress.step < warm:
            return self.peak * progress.step / warm
        rest = max(progress.steps - warm, 1)
        share = min((progress.step - warm) / rest, 1.0)
        return self.end + (self.peak - self.end) * 0.5 * (1 + math.cos(math.pi * share))


Scalar = float | Cosine | Line | Ramp | WarmCosine


def value(scalar: Scalar, progress: Progress) -> float:
    """A plain number, whatever kind of scalar it is."""
    return scalar if isinstance(scalar, int | float) else scalar(progress)
