"""The linear protocol: a linear classifier on cached features."""

from collections.abc import Mapping
from dataclasses import dataclass

from ilk.evaluate.metrics.confusion import by_class
from ilk.evaluate.protocols.heldout import held_out
from ilk.evaluate.protocols.logistic import Linear, fit_path
from ilk.evaluate.protocols.protocol import Labelled, Measured, Task, top1


@dataclass(frozen=True, kw_only=True, slots=True)
class LogisticRegression:
    """Penalised multinomial logistic regression; the strength is chosen on held-out train.

    Features are standardised by the mean and deviation of what is fitted. Each strength is
    fitted without the held-out part, the most accurate one there is fitted again on all of
    train; equal accuracies choose the stronger.

    Args:
        strengths: candidates for lambda, from strong to weak: see ``fit_path``.
        tolerance: of each fit.
        most_steps: of each fit.
        held_out: share of every class of train that lambda is chosen on.
    """

    strengths: tuple[float, ...]
    tolerance: float
    most_steps: int
    held_out: float

    def measure(self, task: Task) -> Measured:
        """Choose the strength, fit on all of train, classify the test items."""
        final, selected, selected_on = self.choose(task)
        found, labels = final.predict(task.test.vectors), task.test.labels
        details = by_class(found, labels, task.classes)
        return top1(found == labels, selected, selected_on, details)

    def choose(self, task: Task) -> tuple[Linear, Mapping[str, float], str]:
        """The classifier fitted on all of train, its strength, and what that was chosen on."""
        aside = held_out(task.train.labels, self.held_out, task.seed)
        chosen = self.strengths[len(self.strengths) // 2]
        selected_on = "nothing: no class has two items to hold one out"
        if aside.any():
            fitted, asked = task.train.where(~aside), task.train.where(aside)
            fits = self._fit(fitted, len(task.classes), self.strengths)
            rights = (fit.predict(asked.vectors) == asked.labels for fit in fits)
            scores = [right.double().mean().item() for right in rights]
            chosen = self.strengths[scores.index(max(scores))]
            selected_on = f"{len(asked)} held-out train items, accuracy {max(scores):.4f}"
        (final,) = self._fit(task.train, len(task.classes), (chosen,))
        return final, {"strength": chosen}, selected_on

    def _fit(self, known: Labelled, classes: int, strengths: tuple[float, ...]) -> list[Linear]:
        return fit_path(
            known.vectors, known.labels, classes=classes, strengths=strengths,
            tolerance=self.tolerance, most_steps=self.most_steps,
        )  # fmt: skip
