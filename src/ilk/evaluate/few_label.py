"""The few-label protocol: how far a handful of labels goes.

Axes: W ways, A amounts, R resamples, N train items, M test items.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float64, Int64
from torch import Tensor

from ilk.core.seeding import uniforms
from ilk.embedding import nearest, vote
from ilk.evaluate.interval import crossed
from ilk.evaluate.labels_needed import Point, answers
from ilk.evaluate.logistic import fit_path
from ilk.evaluate.propagation import Graph, balanced, called, graph, spread
from ilk.evaluate.protocol import Labelled, Measured, Task

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
        amounts = dict(self._amounts(task.train.labels.cpu().numpy()))
        joined = graph(task.train.vectors, task.test.vectors, self.neighbours)
        right = np.zeros((len(WAYS), len(amounts), self.resamples, len(task.test)))
        of = len(amounts) * self.resamples
        for resample in range(self.resamples):
            rank = _ranks(task.train.labels.cpu().numpy(), task.seed, resample)
            for number, wanted in enumerate(amounts.values()):
                drawn = torch.from_numpy(rank < wanted).to(task.train.labels.device)
                for way, correct in enumerate(self._correct(task, joined, drawn)):
                    right[way, number, resample] = correct
                task.tell(resample * len(amounts) + number + 1, of)
        return self._measured(task, amounts, right)

    def _amounts(
        self, labels: Int64[np.ndarray, " N"]
    ) -> Iterator[tuple[str, Int64[np.ndarray, " N"]]]:
        """By name, for each item how many of its class are drawn."""
        _, where, sizes = np.unique(labels, return_inverse=True, return_counts=True)
        for count in self.per_class:
            yield f"{count} a class", np.minimum(count, sizes)[where]
        for share in self.shares:
            wanted = np.maximum(np.rint(share * sizes), 1).astype(np.int64)
            yield f"{100 * share:g} %", wanted[where]

    def _correct(
        self, task: Task, joined: Graph, drawn: Bool[Tensor, " N"]
    ) -> Iterator[Bool[np.ndarray, " M"]]:
        """Whether each test item is named rightly, in the order of the ways."""
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

    def _measured(
        self,
        task: Task,
        amounts: dict[str, Int64[np.ndarray, " N"]],
        right: Float64[np.ndarray, "W A R M"],
    ) -> Measured:
        labels = task.train.labels.cpu().numpy()
        flat = right.reshape(-1, *right.shape[2:])
        ends = crossed(flat, task.seed).reshape(*right.shape[:2], 2)
        curves = {
            way: [
                Point(
                    amount=name,
                    labels=_total(labels, wanted),
                    value=float(right[row, column].mean()),
                    low=float(ends[row, column, 0]),
                    high=float(ends[row, column, 1]),
                )
                for column, (name, wanted) in enumerate(amounts.items())
            ]
            for row, way in enumerate(WAYS)
        }
        scores = right[WAYS.index(HEADLINE), len(self.per_class) - 1].mean(0)
        point = curves[HEADLINE][len(self.per_class) - 1]
        return Measured(
            metric=f"accuracy of {HEADLINE}, {point.amount}",
            value=float(scores.mean()),
            interval=(point.low, point.high),
            interval_kind="percentile bootstrap, 95 %, over draws of labels and test items",
            selected={},
            selected_on="nothing: the strength is 1 / labels",
            scores=torch.from_numpy(scores),
            details={
                "curves": {
                    way: [point.to_dict() for point in points] for way, points in curves.items()
                },
                "in words": answers(curves),
            },
        )


def _ranks(
    labels: Int64[np.ndarray, " N"], seed: int, resample: int
) -> Int64[np.ndarray, " N"]:
    """The place of each item within its class, by chance, from 0."""
    chance = uniforms(seed, resample, np.arange(len(labels)), "evaluate/few-label", 1)[:, 0]
    order = np.lexsort((chance, labels))
    _, firsts, sizes = np.unique(labels[order], return_index=True, return_counts=True)
    rank = np.empty(len(labels), np.int64)
    rank[order] = np.arange(len(labels)) - np.repeat(firsts, sizes)
    return rank


def _total(labels: Int64[np.ndarray, " N"], wanted: Int64[np.ndarray, " N"]) -> int:
    """How many items are drawn in all."""
    _, firsts = np.unique(labels, return_index=True)
    return int(wanted[firsts].sum())
