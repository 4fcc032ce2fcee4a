"""The few-label protocol: how far a handful of labels goes.

Axes: N train items, M test items.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float64, Int64
from torch import Tensor

from ilk.embedding import nearest, vote
from ilk.evaluate.metrics.interval import BOOTSTRAP
from ilk.evaluate.metrics.labels_needed import Point, answers
from ilk.evaluate.protocols.draws import amounts, curves, ranks
from ilk.evaluate.protocols.logistic import fit_path
from ilk.evaluate.protocols.propagation import Graph, balanced, called, graph, spread
from ilk.evaluate.protocols.protocol import Labelled, Measured, Task

WAYS = ("k-NN", "logistic regression", "label propagation")
HEADLINE = "logistic regression"


@dataclass(frozen=True, kw_only=True, slots=True)
class FewLabels:
    """Accuracy by the number of labelled train items, drawn evenly from every class.

    Three ways to use them: k-NN among the labelled as in ``knn``; logistic regression as in
    ``linear``, of strength 1 / labels, which is C = 1 in scikit-learn's terms, as there is
    nothing to choose it on; and label propagation over the neighbours of all of train, labelled
    or not, each class with its share of the mass, where a test item takes the vote of its
    nearest train items and changes nothing. A larger draw contains the smaller ones. The value
    is that of logistic regression with the largest number per class.

    Args:
        per_class: labels a class, ascending; all of a class that has fewer.
        shares: of the items of each class, one at least.
        resamples: draws of labelled items.
        neighbours: that vote, and that are joined in the graph.
        temperature: of the vote among the labelled.
        alpha: how far labels spread, see ``propagation.spread``.
        tolerance: of each fit of logistic regression.
        spread_tolerance: of each propagation.
        most_steps: of each fit.
    """

    per_class: tuple[int, ...]
    shares: tuple[float, ...]
    resamples: int
    neighbours: int
    temperature: float
    alpha: float
    tolerance: float
    spread_tolerance: float
    most_steps: int

    def measure(self, task: Task) -> Measured:
        """Draw labels again and again, and name the test items by each way."""
        labels = task.train.labels.cpu().numpy()
        drawn = amounts(labels, self.per_class, self.shares)
        joined = graph(task.train.vectors, task.test.vectors, self.neighbours)
        right = np.zeros((len(WAYS), len(drawn), self.resamples, len(task.test)))
        for resample in range(self.resamples):
            rank = ranks(labels, task.seed, resample)
            for number, amount in enumerate(drawn):
                known = torch.from_numpy(rank < amount.wanted).to(task.train.labels.device)
                for way, correct in enumerate(self._correct(task, joined, known)):
                    right[way, number, resample] = correct
                task.tell(resample * len(drawn) + number + 1, len(drawn) * self.resamples)
        found = curves(WAYS, drawn, right, task.seed)
        scores = right[WAYS.index(HEADLINE), len(self.per_class) - 1].mean(0)
        return along(
            found, HEADLINE, len(self.per_class) - 1, scores,
            "nothing: the strength is 1 / labels",
        )  # fmt: skip

    def _correct(
        self, task: Task, joined: Graph, drawn: Bool[Tensor, " N"]
    ) -> Iterator[Bool[np.ndarray, " M"]]:
        """Whether each test item is classified correctly, in the order of the ways."""
        known, asked = task.train.where(drawn), task.test.labels
        for named in (self._voted(task, known), self._fitted(task, known)):
            yield (named == asked).cpu().numpy()
        classes = len(task.classes)
        marks = torch.nn.functional.one_hot(task.train.labels, classes) * drawn[:, None]
        seeds = marks.double().cpu().numpy()
        found = spread(
            joined.edges, seeds, alpha=self.alpha, tolerance=self.spread_tolerance,
            most_steps=self.most_steps,
        )  # fmt: skip
        yield called(joined, balanced(found, seeds)) == asked.cpu().numpy()

    def _voted(self, task: Task, known: Labelled) -> Int64[Tensor, " M"]:
        places, cosines = nearest(task.test.vectors, known.vectors, self.neighbours)
        labels = known.labels[places]
        return vote(labels, cosines, temperature=self.temperature, classes=len(task.classes))

    def _fitted(self, task: Task, known: Labelled) -> Int64[Tensor, " M"]:
        (fit,) = fit_path(
            known.vectors, known.labels, classes=len(task.classes),
            strengths=(1 / len(known),), tolerance=self.tolerance, most_steps=self.most_steps,
        )  # fmt: skip
        return fit.predict(task.test.vectors)


def along(
    found: Mapping[str, Sequence[Point]],
    headline: str,
    place: int,
    scores: Float64[np.ndarray, " M"],
    selected_on: str,
) -> Measured:
    """What was found over amounts of labels.

    Args:
        found: curves by way.
        headline: the way that gives the value.
        place: of the value on its curve.
        scores: mean over draws for each test item at this place.
        selected_on: what settings were chosen on.
    """
    point = found[headline][place]
    return Measured(
        metric=f"accuracy of {headline}, {point.amount}",
        value=float(scores.mean()),
        interval=(point.low, point.high),
        interval_kind=f"{BOOTSTRAP}, over draws of labels and test items",
        selected={},
        selected_on=selected_on,
        scores=torch.from_numpy(scores),
        details={
            "curves": {
                way: [point.to_dict() for point in points] for way, points in found.items()
            },
            "in words": answers(found),
        },
    )
