"""How good a ranking is. Axes: Q queries, N items in ranked order."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from jaxtyping import Bool, Float64, Int
from torch import Tensor


def average_precision(
    relevant: Bool[Tensor, "Q N"], total: Int[Tensor, " Q"], k: int | None = None
) -> Float64[Tensor, " Q"]:
    r"""Metric AP: $\frac{1}{m}\sum_{i\le k} \mathrm{precision}(i)\,\mathrm{relevant}(i)$.

    The rectangular sum of information retrieval and of scikit-learn; m is the smaller of
    ``total`` and ``k``.

    Args:
        relevant: of the ranked items, best first.
        total: relevant items that there are, ranked or not; at least 1.
        k: items that count; None is all.

    Example:
        >>> average_precision(torch.tensor([[True, False, True]]), torch.tensor([2]))
        tensor([0.8333], dtype=torch.float64)
    """
    hits = relevant[:, :k].double()
    gain = (hits * hits.cumsum(1) / _ranks(hits)).sum(1)
    return gain / (total if k is None else total.clamp_max(k))


def interpolated_precision(
    relevant: Bool[Tensor, "Q N"], total: Int[Tensor, " Q"]
) -> Float64[Tensor, " Q"]:
    """Interpolated AP: the trapezoidal area below precision over recall.

    As the evaluation code of Oxford and Paris has it: Philbin et al., CVPR 2007, and Radenovic
    et al., CVPR 2018, https://arxiv.org/abs/1803.11285. It is lower than metric AP.

    Args:
        relevant: of the ranked items, best first.
        total: relevant items that there are, at least 1.
    """
    hits = relevant.double()
    found, rank = hits.cumsum(1), _ranks(hits)
    before = torch.where(rank > 1, (found - 1) / (rank - 1).clamp_min(1), 1.0)
    return (hits * (before + found / rank)).sum(1) / (2 * total)


def _ranks(hits: Float64[Tensor, "Q N"]) -> Float64[Tensor, " N"]:
    return torch.arange(1, hits.shape[1] + 1, device=hits.device, dtype=torch.float64)


@dataclass(frozen=True, kw_only=True, slots=True)
class Truth:
    """What is relevant to a query of the revisited Oxford and Paris.

    Args:
        easy: database items.
        hard: database items.
        junk: database items that count neither way.
    """

    easy: Collection[int]
    hard: Collection[int]
    junk: Collection[int]


@dataclass(frozen=True, kw_only=True, slots=True)
class Revisited:
    """Scores of one protocol of the revisited Oxford and Paris.

    Args:
        mean_ap: interpolated AP, mean over queries that have something to find.
        mean_precision: at each k asked for.
        queries: that had something to find.
    """

    mean_ap: float
    mean_precision: tuple[float, ...]
    queries: int


def revisited(
    rankings: Sequence[Int[np.ndarray, " N"]],
    truths: Sequence[Truth],
    protocol: Literal["easy", "medium", "hard"],
    at: Sequence[int] = (1, 5, 10),
) -> Revisited:
    """The revisited Oxford and Paris: Radenovic et al., CVPR 2018, section 3.3.

    Easy finds easy and ignores hard and junk; medium finds easy and hard and ignores junk; hard
    finds hard and ignores easy and junk. What is ignored is taken out of the ranking. Precision
    at k looks no further than the last relevant item. Queries without anything to find
    do not count.

    Args:
        rankings: database items of each query, best first.
        truths: of each query.
        protocol: which one.
        at: the k of the precisions.

    Raises:
        ValueError: no query has anything to find.
    """
    areas: list[float] = []
    precisions: list[list[float]] = []
    for ranking, truth in zip(rankings, truths, strict=True):
        wanted, ignored = _sides(truth, protocol)
        if not wanted:
            continue
        kept = ranking[~np.isin(ranking, list(ignored))] if ignored else ranking
        found = np.isin(kept, list(wanted))
        places = np.flatnonzero(found)
        one = torch.from_numpy(found)[None], torch.tensor([len(wanted)])
        areas.append(interpolated_precision(*one).item())
        last = int(places[-1]) + 1 if len(places) else 1
        precisions.append([float((places < min(last, k)).sum() / min(last, k)) for k in at])
    if not areas:
        raise ValueError(f"revisited: a query must have something to find in {protocol}")
    return Revisited(
        mean_ap=float(np.mean(areas)),
        mean_precision=tuple(np.mean(precisions, 0).tolist()),
        queries=len(areas),
    )


def _sides(truth: Truth, protocol: str) -> tuple[set[int], set[int]]:
    """What is to be found, and what is ignored."""
    easy, hard, junk = (set(part) for part in (truth.easy, truth.hard, truth.junk))
    if protocol == "easy":
        return easy, hard | junk
    return (easy | hard, junk) if protocol == "medium" else (hard, easy | junk)
