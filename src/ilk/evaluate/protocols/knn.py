"""The k-NN protocol: what an encoder's neighbours know, nothing trained."""

from collections.abc import Sequence
from dataclasses import dataclass

from jaxtyping import Int64
from torch import Tensor

from ilk.embedding import nearest, vote
from ilk.evaluate.metrics.confusion import by_class
from ilk.evaluate.protocols.heldout import held_out
from ilk.evaluate.protocols.protocol import Labelled, Measured, Task, top1


@dataclass(frozen=True, kw_only=True, slots=True)
class NearestNeighbours:
    """Exact weighted k-NN by cosine; k is chosen on a held-out part of train.

    A vote weighs exp(cosine / temperature): Wu et al., CVPR 2018,
    https://arxiv.org/abs/1805.01978, section 3.4; settings of Caron et al., ICCV 2021,
    https://arxiv.org/abs/2104.14294. Equal accuracies choose the smaller k; a k above the
    number of training items means all of them.

    Args:
        neighbours: candidates for k, ascending.
        temperature: of the vote.
        held_out: share of every class of train that k is chosen on.
    """

    neighbours: tuple[int, ...]
    temperature: float
    held_out: float

    def measure(self, task: Task) -> Measured:
        """Choose k, then let all of train name the test items."""
        aside = held_out(task.train.labels, self.held_out, task.seed)
        chosen, selected_on = (
            self.neighbours[0],
            "nothing: no class has two items to hold one out",
        )
        if aside.any():
            fitted, asked = task.train.where(~aside), task.train.where(aside)
            named = self._predicted(fitted, asked, len(task.classes), self.neighbours)
            scores = [(one == asked.labels).double().mean().item() for one in named]
            chosen = self.neighbours[scores.index(max(scores))]
            selected_on = f"{len(asked)} held-out train items, accuracy {max(scores):.4f}"
        (found,) = self._predicted(task.train, task.test, len(task.classes), (chosen,))
        return top1(
            found == task.test.labels,
            {"k": min(chosen, len(task.train))},
            selected_on,
            by_class(found, task.test.labels, task.classes),
        )

    def _predicted(
        self, known: Labelled, asked: Labelled, classes: int, candidates: Sequence[int]
    ) -> list[Int64[Tensor, " N"]]:
        indices, cosines = nearest(asked.vectors, known.vectors, max(candidates))
        labels = known.labels[indices]  # [N, k]
        return [
            vote(labels[:, :k], cosines[:, :k], temperature=self.temperature, classes=classes)
            for k in candidates
        ]
