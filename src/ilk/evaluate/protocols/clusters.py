"""The cluster protocols: do classes fall out without a label? Axes: S seeds, N items."""

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float32, Int64

from ilk.core import UserError
from ilk.core.seeding import permutation
from ilk.evaluate.metrics.interval import BOOTSTRAP, crossed
from ilk.evaluate.metrics.matching import matched
from ilk.evaluate.protocols.protocol import Measured, Task

INTERVAL = f"{BOOTSTRAP}, over starts and test items, clusters as they are"


@dataclass(frozen=True, kw_only=True, slots=True)
class Clusters:
    """k-means of the test items on the unit sphere, a cluster for each class.

    The value is the accuracy under the one-to-one assignment of clusters to classes that is
    best for it, mean over starts. k-means knows only the number of classes.

    Args:
        starts: of k-means++, each scored for itself.
        most_steps: of each.
    """

    starts: int
    most_steps: int

    def measure(self, task: Task) -> Measured:
        """Cluster the test items, then look at their labels."""
        count = len(task.test.labels.unique())
        rows = F.normalize(task.test.vectors, dim=1).cpu().numpy()
        found = _starts(task, rows, count, self.starts, self.most_steps)
        return _scored(task, found, {}, "nothing: there is a cluster for each class")


@dataclass(frozen=True, kw_only=True, slots=True)
class FreeClusters:
    """The same where the number of classes is not known.

    k is the candidate whose clusters have the largest mean silhouette by cosine: Rousseeuw,
    1987; ties go to the smaller. No label is looked at for that. Clusters beyond the number of
    classes stand for none, and their items count as wrong.

    Args:
        candidates: for k, ascending, at least 2; those of half the items or more are left out.
        most_items: that k is chosen on, drawn where there are more.
        starts: as for ``Clusters``.
        most_steps: as for ``Clusters``.
    """

    candidates: tuple[int, ...]
    most_items: int
    starts: int
    most_steps: int

    def measure(self, task: Task) -> Measured:
        """Choose k, cluster the test items, then look at their labels."""
        rows = F.normalize(task.test.vectors, dim=1).cpu().numpy()
        drawn = rows[permutation(task.seed, 0, len(rows))[: self.most_items]]
        silhouettes = self._silhouettes(task, drawn)
        count = max(silhouettes, key=lambda k: (silhouettes[k], -k))
        before = len(self._fitting(len(drawn)))
        found = _starts(task, rows, count, self.starts, self.most_steps, before)
        selected_on = (
            f"the features of {len(drawn)} test items, no label; silhouette"
            f" {silhouettes[count]:.4f}"
        )
        details = {"silhouettes": {str(k): value for k, value in silhouettes.items()}}
        return _scored(task, found, {"k": count}, selected_on, details)

    def _fitting(self, items: int) -> list[int]:
        return [k for k in self.candidates if 2 * k < items]

    def _silhouettes(self, task: Task, rows: Float32[np.ndarray, "N D"]) -> dict[int, float]:
        from sklearn.metrics import silhouette_score

        found: dict[int, float] = {}
        candidates = self._fitting(len(rows))
        for number, k in enumerate(candidates):
            clusters = _k_means(rows, k, task.seed, self.most_steps)
            if len(np.unique(clusters)) > 1:
                found[k] = float(silhouette_score(rows, clusters, metric="cosine"))
            task.tell(number + 1, len(candidates) + self.starts)
        if not found:
            raise UserError(
                f"evaluate: cluster-free needs five test items that differ or more, got"
                f" {len(rows)} with {len(np.unique(rows, axis=0))} that differ"
            )
        return found


def _starts(
    task: Task,
    rows: Float32[np.ndarray, "N D"],
    count: int,
    starts: int,
    most_steps: int,
    before: int = 0,
) -> list[Int64[np.ndarray, " N"]]:
    found: list[Int64[np.ndarray, " N"]] = []
    for start in range(starts):
        found.append(_k_means(rows, count, task.seed + start, most_steps))
        task.tell(before + start + 1, before + starts)
    return found


def _k_means(
    rows: Float32[np.ndarray, "N D"], count: int, seed: int, most_steps: int
) -> Int64[np.ndarray, " N"]:
    from sklearn.cluster import KMeans
    from sklearn.exceptions import ConvergenceWarning

    made: Any = cast("Any", KMeans)(
        count, n_init=1, max_iter=most_steps, random_state=seed % 2**32
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # fewer distinct rows than clusters
        return made.fit_predict(rows).astype(np.int64)


def _scored(
    task: Task,
    found: Sequence[Int64[np.ndarray, " N"]],
    selected: dict[str, float],
    selected_on: str,
    details: Mapping[str, object] | None = None,
) -> Measured:
    from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score

    labels = task.test.labels.cpu().numpy()
    right = np.stack([matched(one, labels)[one] == labels for one in found]).astype(np.float64)
    nmi = [float(normalized_mutual_info_score(labels, one)) for one in found]
    ari = [float(adjusted_rand_score(labels, one)) for one in found]
    low, high = crossed(right[None], task.seed, (0.0, 1.0))[0].tolist()
    scores = right.mean(0)
    return Measured(
        metric="clustering accuracy",
        value=float(scores.mean()),
        interval=(low, high),
        interval_kind=INTERVAL,
        selected=selected,
        selected_on=selected_on,
        scores=torch.from_numpy(scores),
        details={
            "starts": len(found),
            "NMI": float(np.mean(nmi)),
            "ARI": float(np.mean(ari)),
            "of each start": {
                "accuracy": right.mean(1).tolist(), "NMI": nmi, "ARI": ari,
            },
            **(details or {}),
        },
    )  # fmt: skip
