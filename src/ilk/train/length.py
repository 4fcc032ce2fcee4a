"""How long a run is: all durations become steps."""

from dataclasses import dataclass

from ilk.core import Progress, UserError
from ilk.train.ranges import MOST_STEPS
from ilk.train.settings import Settings

DEFAULT_EPOCHS = 100
SCORES = 20  # in a run, by default


@dataclass(frozen=True, slots=True)
class Length:
    """A run in steps.

    Args:
        steps: of the optimiser.
        steps_per_epoch: may be fractional when micro-batches are accumulated.
        since: step at which the present schedule began, see `ilk.train.records.legs`.

    Raises:
        UserError: it is longer than a record may say.
    """

    steps: int
    steps_per_epoch: float
    since: int = 0

    def __post_init__(self) -> None:
        if self.steps > MOST_STEPS:
            raise UserError(
                f"length of the run: must be {MOST_STEPS:,} steps at most, got {self.steps:,}"
            )

    def progress(self, step: int) -> Progress:
        """Where the run stands after ``step`` steps."""
        return Progress(step, self.steps, self.steps_per_epoch, self.since)

    def as_record(self) -> dict[str, float]:
        """Of a run of one schedule, for its record."""
        return {"steps": self.steps, "steps_per_epoch": self.steps_per_epoch}

    def scores(self, every: float | None) -> float:
        """How many online scores there are, one every so many epochs; None is about twenty."""
        epochs = self.steps / self.steps_per_epoch
        return epochs // (every or max(epochs / SCORES, 1.0)) + 1


def length_of(settings: Settings, steps_per_epoch: float, step_seconds: float | None) -> Length:
    """Steps of a run.

    Args:
        settings: give epochs, steps or minutes; none of them means 100 epochs.
        steps_per_epoch: of the data and batch size.
        step_seconds: measured on this machine; needed for minutes only.
    """
    if settings.steps is not None:
        steps = settings.steps
    elif settings.minutes is not None:
        assert step_seconds is not None
        steps = int(settings.minutes * 60 / step_seconds)
    else:
        epochs = DEFAULT_EPOCHS if settings.epochs is None else settings.epochs
        steps = round(epochs * steps_per_epoch)
    return Length(max(steps, 1), steps_per_epoch)
