"""The retrieval protocol: how early an item's own kind comes. Axes: Q queries, G gallery."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float64
from torch import Tensor

from ilk.core import UserError
from ilk.evaluate.metrics.interval import BOOTSTRAP, bootstrap
from ilk.evaluate.metrics.ranking import average_precision, interpolated_precision
from ilk.evaluate.protocols.protocol import Labelled, Measured, Task

BLOCK = 256  # queries ranked at once
GROUP = 4  # images of one object in UKBench


@dataclass(frozen=True, kw_only=True, slots=True)
class Retrieval:
    """Rank the gallery by cosine to each test item; nothing is learned or chosen.

    Without a gallery each test item looks for its kind among all others. The value is mAP, of
    metric AP; interpolated AP, see ``ranking``, stands in the details. Items that have nothing
    to find are no queries. Equal cosines rank in the order of the gallery.

    Args:
        precision_at: the k of mAP@k, whose denominator is the smaller of k and what there is to
            find.
        recall_at: the k of recall@k, the share of queries with their kind among the first k.
    """

    precision_at: tuple[int, ...]
    recall_at: tuple[int, ...]

    def measure(self, task: Task) -> Measured:
        """Rank the gallery for each test item."""
        gallery = task.test if task.gallery is None else task.gallery
        parts: list[Bool[Tensor, "Q G"]] = []
        rows: list[Float64[Tensor, "Q C"]] = []
        for start in range(0, len(task.test), BLOCK):
            relevant = _ranked(task, gallery, start)
            rows.append(self._numbers(relevant[relevant.any(1)]))
            parts.append(relevant[:, : GROUP - 1].sum(1).cpu())
        numbers = torch.cat(rows)
        if not len(numbers):
            raise UserError(
                "evaluate: retrieval needs two items of a class or more, got one of each"
            )
        means = dict(zip(self._names(), numbers.mean(0).tolist(), strict=True))
        scores = numbers[:, 0].cpu()
        details: dict[str, object] = {"queries": len(numbers), "gallery": len(gallery), **means}
        if task.gallery is None and _fours(task.test):
            details["n-s score"] = 1 + torch.cat(parts).double().mean().item()
        return Measured(
            metric="mAP",
            value=means["mAP"],
            interval=bootstrap(scores.numpy(), task.seed, (0.0, 1.0)),
            interval_kind=f"{BOOTSTRAP}, over queries",
            selected={},
            selected_on="nothing: there is nothing to choose",
            scores=scores,
            details=details,
        )

    def _names(self) -> list[str]:
        return [
            "mAP",
            "interpolated mAP",
            *(f"mAP@{k}" for k in self.precision_at),
            *(f"recall@{k}" for k in self.recall_at),
        ]

    def _numbers(self, relevant: Bool[Tensor, "Q G"]) -> Float64[Tensor, "Q C"]:
        """All measures of each ranking, in the order of their names."""
        total = relevant.sum(1)
        columns = [average_precision(relevant, total), interpolated_precision(relevant, total)]
        columns += [average_precision(relevant, total, k) for k in self.precision_at]
        columns += [relevant[:, :k].any(1).double() for k in self.recall_at]
        return torch.stack(columns, 1)


def _ranked(task: Task, gallery: Labelled, start: int) -> Bool[Tensor, "Q G"]:
    """Whether each gallery item is of the query's class, best first."""
    asked = slice(start, min(start + BLOCK, len(task.test)))
    queries = F.normalize(task.test.vectors[asked], dim=1)
    cosines = queries @ F.normalize(gallery.vectors, dim=1).T
    if task.gallery is None:
        itself = torch.arange(len(queries), device=cosines.device)
        cosines[itself, itself + start] = -torch.inf
    order = cosines.argsort(dim=1, descending=True, stable=True)
    if task.gallery is None:
        order = order[:, :-1]  # itself
    return gallery.labels[order] == task.test.labels[asked][:, None]


def _fours(items: Labelled) -> bool:
    """Whether every class has four items, as in UKBench: Nister and Stewenius, CVPR 2006."""
    return bool((items.labels.unique(return_counts=True)[1] == GROUP).all())
