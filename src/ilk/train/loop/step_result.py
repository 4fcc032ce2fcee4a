"""What a training step did, or why it did nothing."""

from dataclasses import dataclass

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
