"""The discover protocol: known and new classes at once.

Axes: N items, D features, K classes.
"""

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float32, Int64
from torch import Tensor

from ilk.core import UserError
from ilk.core.seeding import uniforms
from ilk.evaluate.metrics.interval import clopper_pearson
from ilk.evaluate.metrics.matching import matched
from ilk.evaluate.protocols.heldout import held_out
from ilk.evaluate.protocols.protocol import Measured, Task

BLOCK = 16_384  # rows compared with all centres at once


@dataclass(frozen=True, kw_only=True, slots=True)
class Discovery:
    """Generalized category discovery by semi-supervised k-means, Vaze et al., CVPR 2022.

    https://arxiv.org/abs/2201.02609, section 3.2. A drawn part of the classes is known, and a
    part of their train items labelled; all other train items are to be put into the right one
    of all classes, known or new. The value is the accuracy on those under ONE assignment of
    clusters to classes over all of them (the second version of the authors' metric: an
    assignment for known and new each flatters, a single cluster would score 1 on both).

    Test is never used to choose. The number of classes is given.

    Args:
        known: share of classes that is known, rounded; one at least is known and one new.
        labelled: share of the items of a known class that is labelled.
        starts: of which the tightest clusters count.
        most_steps: of each.
        tolerance: of the squared sum of distances that centres move, where it ends.
    """

    known: float
    labelled: float
    starts: int
    most_steps: int
    tolerance: float

    def measure(self, task: Task) -> Measured:
        """Cluster all of train, given a part of its labels."""
        labels, classes = _counted(task.train.labels)
        old = _drawn(labels.bincount().cpu().numpy(), self.known, task.seed)
        given = held_out(labels, self.labelled, task.seed) & old.to(labels.device)[labels]
        rows = F.normalize(task.train.vectors, dim=1)
        marks = torch.where(given, (old.cumsum(0) - 1).to(labels.device)[labels], -1)
        clusters = self._best(task, rows, marks, classes)[~given].cpu().numpy()
        truth = labels[~given].cpu().numpy()
        right = torch.from_numpy(matched(clusters, truth)[clusters] == truth)
        was_old = old[torch.from_numpy(truth)]
        return Measured(
            metric="accuracy on unlabelled train items",
            value=right.double().mean().item(),
            interval=clopper_pearson(int(right.sum()), len(right)),
            interval_kind="Clopper-Pearson, 95 %, over unlabelled items, clusters as they are",
            selected={},
            selected_on="nothing: the tightest of several clusterings counts",
            scores=right.double(),
            details={
                "old": share(right, was_old),
                "new": share(right, ~was_old),
                "classes": classes,
                "known classes": int(old.sum()),
                "labelled": int(given.sum()),
                "unlabelled": len(right),
                "unlabelled of known classes": int(was_old.sum()),
            },
        )

    def _best(
        self,
        task: Task,
        rows: Float32[Tensor, "N D"],
        marks: Int64[Tensor, " N"],
        classes: int,
    ) -> Int64[Tensor, " N"]:
        found: list[tuple[float, Int64[Tensor, " N"]]] = []
        for start in range(self.starts):
            rng = np.random.default_rng((task.seed % 2**63, start))
            centres = first_centres(rows, marks, classes, rng)
            found.append(
                half_told_k_means(rows, marks, centres, self.most_steps, self.tolerance)
            )
            task.tell(start + 1, self.starts)
        return min(found, key=lambda one: one[0])[1]


def share(right: Bool[Tensor, " N"], where: Bool[Tensor, " N"]) -> float | None:
    """Of the items where the mask holds, the share that is right; None where it never does."""
    return right[where].double().mean().item() if where.any() else None


def first_centres(
    rows: Float32[Tensor, "N D"],
    marks: Int64[Tensor, " N"],
    count: int,
    rng: np.random.Generator,
) -> Float32[Tensor, "K D"]:
    """The means of labelled classes, then unlabelled items drawn by k-means++.

    Args:
        rows: of unit length.
        marks: class of labelled items, from 0 without a gap; -1 elsewhere.
        count: of all centres.
        rng: draws.
    """
    known = int(marks.max()) + 1
    centres = [rows[marks == k].mean(0) for k in range(known)]
    free = rows[marks < 0]
    nearest = free.new_full((len(free),), torch.inf, dtype=torch.float64)
    for number in range(count):
        if number >= known:
            centres.append(free[_by_weight(nearest, rng)])
        nearest = nearest.minimum((free - centres[number]).double().square().sum(1))
    return torch.stack(centres)


def half_told_k_means(
    rows: Float32[Tensor, "N D"],
    marks: Int64[Tensor, " N"],
    centres: Float32[Tensor, "K D"],
    most_steps: int,
    tolerance: float,
) -> tuple[float, Int64[Tensor, " N"]]:
    """Lloyd's k-means, except that labelled items stay in the cluster of their class.

    Args:
        rows: any.
        marks: cluster of labelled items, -1 elsewhere.
        centres: to start from; one that loses all its items stays where it is.
        most_steps: at most.
        tolerance: it ends where the squared sum of distances moved is below.

    Returns:
        The sum of squared distances of all items to their centres, and the clusters.
    """
    for _ in range(most_steps):
        _, clusters = _assigned(rows, marks, centres)
        sums = torch.zeros_like(centres).index_add_(0, clusters, rows)
        sizes = clusters.bincount(minlength=len(centres))[:, None]
        moved = torch.where(sizes > 0, sums / sizes.clamp_min(1), centres)
        shift = (moved - centres).norm(dim=1).sum().square()
        centres = moved
        if shift.item() < tolerance:
            break
    return _assigned(rows, marks, centres)


def _assigned(
    rows: Float32[Tensor, "N D"], marks: Int64[Tensor, " N"], centres: Float32[Tensor, "K D"]
) -> tuple[float, Int64[Tensor, " N"]]:
    clusters = torch.cat([torch.cdist(part, centres).argmin(1) for part in rows.split(BLOCK)])
    clusters = torch.where(marks >= 0, marks, clusters)
    total = (rows - centres[clusters]).double().square().sum().item()
    return total, clusters


def _by_weight(weights: Tensor, rng: np.random.Generator) -> int:
    """A place drawn by its weight; any where all weigh nothing."""
    shares = weights.cpu().numpy()
    if not np.isfinite(shares).all() or shares.sum() == 0:
        return int(rng.integers(len(shares)))
    return int(rng.choice(len(shares), p=shares / shares.sum()))


def _counted(labels: Int64[Tensor, " N"]) -> tuple[Int64[Tensor, " N"], int]:
    """Labels without the classes that do not occur, and how many are left."""
    present, counted = labels.unique(return_inverse=True)
    return counted, len(present)


def _drawn(sizes: Int64[np.ndarray, " K"], share: float, seed: int) -> Bool[Tensor, " K"]:
    """Which classes are known; one with a single item cannot be."""
    chance = uniforms(seed, 0, np.arange(len(sizes)), "evaluate/discover", 1)[:, 0]
    able = [int(place) for place in chance.argsort() if sizes[place] > 1]
    if not able:
        raise UserError(
            "evaluate: discover needs a class with two train items or more, got one of each"
        )
    known = torch.zeros(len(sizes), dtype=torch.bool)
    known[able[: min(max(round(share * len(sizes)), 1), len(sizes) - 1)]] = True
    return known
