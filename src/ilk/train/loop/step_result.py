"""What a training step did, or why it did nothing."""

from dataclasses import dataclass
from pathlib import Path

from ilk.train.loop.step import Step


@dataclass(frozen=True, slots=True)
class StepResult:
    """What one step did.

    Args:
        loss: weighted sum of all terms, averaged over ranks.
        terms: weighted sums by name, of this rank.
        grad_norm: before clipping.
        lr: learning rate used.
        context: the step as the kin rules saw it, for monitors.
    """

    loss: float
    terms: dict[str, float]
    grad_norm: float
    lr: float
    context: Step


class NonFiniteLoss(Exception):
    """The loss is not a number any more; the weights are as they were before the step."""

    def __init__(self, step: int, terms: dict[str, float]) -> None:
        super().__init__(f"step {step}: {terms}")
        self.step = step
        self.terms = terms


def explained(error: NonFiniteLoss, saved: Path, *, half: bool) -> str:
    """What a person should know and try.

    Args:
        error: that ended the run.
        saved: where its last checkpoint is, if there is one.
        half: whether it computed in half precision.
    """
    kept = f"the last good checkpoint is {saved}" if saved.exists() else "none was saved yet"
    cure = 'precision="32-true" or a lower lr' if half else "a lower lr or longer warm-up"
    return (
        f"training: the loss must be finite, got {error}; the weights were not touched, "
        f"{kept}; try {cure}"
    )
