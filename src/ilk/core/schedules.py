"""Numbers that change while training: pure functions of progress."""

import math
from dataclasses import dataclass
from typing import Literal

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
    """Linear from ``start`` to ``end`` over a ``share`` of the schedule, then constant."""

    start: float
    end: float
    share: float = 1.0

    def __call__(self, progress: Progress) -> float:
        """The value now."""
        done = 1.0 if self.share <= 0 else min(progress.fraction / self.share, 1.0)
        return self.start + (self.end - self.start) * done


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
class StepRamp:
    """Linear from ``start`` to ``end`` over the first ``steps``, then constant.

    It is for what takes so many steps to be learned, however short an epoch is.
    """

    start: float
    end: float
    steps: float

    def __call__(self, progress: Progress) -> float:
        """The value now."""
        share = 1.0 if self.steps <= 0 else min(progress.step / self.steps, 1.0)
        return self.start + (self.end - self.start) * share


@dataclass(frozen=True, slots=True)
class WarmCosine:
    """Linear from 0 to ``peak`` over ``warmup_epochs``, then half a cosine to ``end``.

    With an ``arc`` it is ``peak cos(arc pi t)`` for t from 0 to 1, and never below ``end``.

    The schedule of a run that was lengthened warms up as well, in a tenth of its steps at most:
    a jump from the old end to the peak would undo what was learned.
    """

    peak: float
    warmup_epochs: float
    end: float = 0.0
    arc: float | None = None

    def __call__(self, progress: Progress) -> float:
        """The value now."""
        step, steps = progress.step - progress.since, progress.steps - progress.since
        longest = steps * SECOND_WARMUP if progress.since else steps
        warm = min(self.warmup_epochs * progress.steps_per_epoch, longest)
        if step < warm:
            return self.peak * step / warm
        rest = max(steps - warm, 1)
        share = min((step - warm) / rest, 1.0)
        if self.arc is not None:
            return max(self.peak * math.cos(math.pi * self.arc * share), self.end)
        return self.end + (self.peak - self.end) * 0.5 * (1 + math.cos(math.pi * share))


@dataclass(frozen=True, slots=True)
class SigmoidRamp:
    """``end * exp(-5 (1 - t)^2)``, where t grows from 0 to 1 over ``epochs``; then ``end``.

    The ramp-up of Laine and Aila, ICLR 2017, https://arxiv.org/abs/1610.02242, and of
    Tarvainen and Valpola, NeurIPS 2017, https://arxiv.org/abs/1703.01780.

    Args:
        end: what it grows to.
        epochs: that it takes.
        zero_epochs: for so long it is zero, whatever the formula gives.

    Example:
        >>> ramp = SigmoidRamp(1.0, 80)
        >>> [round(ramp(Progress(epoch, 300, 1.0)), 4) for epoch in (0, 40, 80, 200)]
        [0.0067, 0.2865, 1.0, 1.0]
    """

    end: float
    epochs: float
    zero_epochs: float = 0.0

    def __call__(self, progress: Progress) -> float:
        """The value now."""
        if progress.epoch < self.zero_epochs:
            return 0.0
        share = 1.0 if self.epochs <= 0 else min(progress.epoch / self.epochs, 1.0)
        return self.end * math.exp(-5 * (1 - share) ** 2)


@dataclass(frozen=True, slots=True)
class WarmMomentum:
    """``min(1 - n / (t + n), end)`` at step t, from 1 on: a young average forgets faster.

    Here n is ``catch_up``. With 1 it is what a teacher keeps of itself in the authors' code of
    Mean Teacher (Tarvainen and Valpola, NeurIPS 2017): after t steps it is the mean of the
    first weights and those of t steps, until 1 / (t + 1) falls below ``1 - end``. With 9 the
    average goes back over about a tenth of the steps, as in TensorFlow's
    ``ExponentialMovingAverage`` with ``num_updates``, and after a few steps next to nothing of
    the first weights is left.
    With 0 it is ``end``.

    Args:
        end: momentum of the moving average.
        catch_up: how much faster it is at first, 0 or more.

    Example:
        >>> young = WarmMomentum(0.99, 9)
        >>> [round(young(Progress(step, 10_000, 100.0)), 3) for step in (0, 9, 99, 999)]
        [0.1, 0.526, 0.917, 0.99]
    """

    end: float
    catch_up: float = 1.0

    def __call__(self, progress: Progress) -> float:
        """The value now."""
        behind = progress.step + 1 + self.catch_up
        return min(1 - self.catch_up / behind, self.end)


@dataclass(frozen=True, slots=True)
class MeanMomentum:
    """The momentum that makes an average the plain mean of weights at some epochs.

    It follows until epoch ``first``, whose weights are the first of the mean; n weights later
    the mean keeps ``1 - 1 / n`` of itself, and between two of them it stands still. Stochastic
    weight averaging, Izmailov et al., UAI 2018, https://arxiv.org/abs/1803.05407.

    Args:
        first: epochs that are over when the first weights are taken.
        every: epochs until the next ones; one step at least.
    """

    first: float
    every: float

    def __call__(self, progress: Progress) -> float:
        """The value for the update after this step."""
        first = max(round(self.first * progress.steps_per_epoch), 1)
        every = max(round(self.every * progress.steps_per_epoch), 1)
        since = progress.step + 1 - first
        if since < 0:
            return 0.0
        taken, rest = divmod(since, every)
        return 1.0 if rest else taken / (taken + 1)


@dataclass(frozen=True, slots=True)
class CyclicCosine:
    """The first part of half a cosine from 1 to 0, whose end is then repeated again and again.

    Athiwaratkun et al., ICLR 2019, https://arxiv.org/abs/1806.05594, section 3: the cosine
    would end with the first cycle. It falls until epoch ``first``, and every cycle falls as the
    last ``cycle`` epochs before it did.

    Args:
        first: epochs before the first cycle, at least one cycle.
        cycle: epochs of a cycle.
    """

    first: float
    cycle: float

    def __call__(self, progress: Progress) -> float:
        """The value now."""
        epoch = progress.epoch
        if epoch >= self.first:
            epoch = self.first - self.cycle + (epoch - self.first) % self.cycle
        return 0.5 * (1 + math.cos(math.pi * epoch / (self.first + self.cycle)))


@dataclass(frozen=True, slots=True)
class SignalAnnealing:
    """From ``1 / classes`` to 1 over the whole schedule: the most probability that is taught.

    Training signal annealing, Xie et al., NeurIPS 2020, https://arxiv.org/abs/1904.12848,
    section 2.3: ``a (1 - 1 / K) + 1 / K``, where a is the share t of the schedule that is over
    (linear), ``exp(5 (t - 1))`` (exp) or ``1 - exp(-5 t)`` (log).

    Args:
        curve: "exp" for few labels, which are soon known by heart; "log" for many; "none" is 1
            all the time.
        classes: K.

    Example:
        >>> half = Progress(50, 100, 1.0)
        >>> [round(SignalAnnealing(c, 10)(half), 6) for c in ("linear", "exp", "log")]
        [0.55, 0.173876, 0.926124]
    """

    curve: Literal["none", "linear", "exp", "log"]
    classes: int

    def __call__(self, progress: Progress) -> float:
        """The value now."""
        over = progress.fraction
        share = {
            "none": 1.0,
            "linear": over,
            "exp": math.exp(5 * (over - 1)),
            "log": 1 - math.exp(-5 * over),
        }[self.curve]
        return share * (1 - 1 / self.classes) + 1 / self.classes
