"""Views whose operations have strengths that a memory learns."""

from collections.abc import Callable, Sequence
from dataclasses import replace

from ilk.memory import OperationRates
from ilk.train.loop.trainer import Trainer
from ilk.views import CTAugment, ImageView, View

Adapt = Callable[[Sequence[View], int], Sequence[View]]


def adapter(trainer: Trainer, accumulate: int) -> Adapt | None:
    """What gives the views of a step the rates of its period; None where no view has any.

    Args:
        trainer: whose memories learn them.
        accumulate: micro-batches of a step.
    """
    memory = trainer.memory
    if not any(isinstance(part, OperationRates) for part in memory.values()):
        return None

    def adapt(views: Sequence[View], number: int) -> Sequence[View]:
        """The views of the micro-batch of that number, of this period or the next."""
        return [_adapted(view, number // accumulate) for view in views]

    def _adapted(view: View, step: int) -> View:
        policy = view.policy if isinstance(view, ImageView) else None
        if not (isinstance(view, ImageView) and isinstance(policy, CTAugment)):
            return view
        part = memory[policy.memory] if policy.memory else None
        if not isinstance(part, OperationRates):
            return view
        done = part.period(max(trainer.step - 1, 0))  # the rates that it holds are of this one
        rates = part.table(part.period(step) - done)
        return replace(view, policy=replace(policy, rates=rates))

    return adapt
