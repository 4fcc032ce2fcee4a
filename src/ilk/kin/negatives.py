"""Negatives: a random subset, harder ones by synthesis, or those of another view.

Axes: Q queries, K candidates, m synthetic candidates of a query, D features.
"""

from dataclasses import dataclass
from typing import ClassVar

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor

from ilk.core import (
    Kin,
    KinRule,
    Output,
    Rows,
    StepContext,
    full,
    hash_uniform,
    paired,
    similarities,
)
from ilk.kin.algebra import decides_kin


@decides_kin
class Sampled:
    """Kin by ``rule``, and a few random negatives; all others are ignored.

    ReLIC v2, Tomasev et al., 2022, https://arxiv.org/abs/2201.05119, contrasts with ten. The
    draw depends on the sources of query and candidate, so it is the same for all views.

    Args:
        rule: decides which candidates are kin.
        negatives: so many are drawn for each query; fewer where there are fewer.
    """

    rule: KinRule
    negatives: int

    def __call__(self, queries: Rows, candidates: Rows, context: StepContext) -> Kin:
        """The same weights; most negatives are ignored."""
        kin = self.rule(queries, candidates, context)
        mine, theirs = (rows.composition.sources[:, 0] for rows in (queries, candidates))
        drawn = hash_uniform(
            paired(mine, theirs), seed=context.seed, step=context.progress.step, name="foreign"
        )
        drawn = drawn.masked_fill(~_negatives(kin), torch.inf)
        best = drawn.topk(min(self.negatives, drawn.shape[1]), dim=1, largest=False)
        kept = torch.zeros_like(drawn, dtype=torch.bool)
        kept.scatter_(1, best.indices, best.values < torch.inf)
        return Kin(kin.weights, (kin.weights == 0) & ~kept)


@dataclass(frozen=True, slots=True)
class RowByRow:
    """One further negative for each query alone: the same row of another view.

    Of a view that shows another image before the query's background it is the
    background-matched negative of Ryali, Schwab and Morcos, 2021,
    https://arxiv.org/abs/2103.12719.

    Args:
        of: what a network says of that view.
    """

    of: Output

    unmixable: ClassVar[str] = (
        "its further negatives are other images before the background of one"
    )

    @torch.no_grad()
    def __call__(
        self, queries: Rows, candidates: Rows, kin: Kin, context: StepContext
    ) -> tuple[Float[Tensor, "Q 1 D"], Bool[Tensor, "Q 1"]]:
        """Several queries of an image, one block of rows after the other, get the same."""
        vectors = full(context.rows(self.of).vectors)
        blocks = len(queries) // len(vectors)
        return (
            vectors.repeat(blocks, 1)[:, None],
            torch.zeros(len(queries), 1, dtype=torch.bool, device=vectors.device),
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class HardMixes:
    """Harder negatives: mixes of the hardest ones with one another and with the query.

    MoCHi, Kalantidis et al., NeurIPS 2020, https://arxiv.org/abs/2010.01028, Eq. 4 and 6. The
    hardest are chosen among the negatives of the term's rule, so that rejected
    false negatives are never mixed.

    Args:
        hardest: N, so many of the negatives most similar to the query are mixed.
        pairs: s, mixes of two of them, by a uniform share.
        own: s', mixes of one of them with the query, which has less than half.
        from_epoch: before it there are none.
    """

    hardest: int
    pairs: int
    own: int
    from_epoch: float = 0.0

    @torch.no_grad()
    def __call__(
        self, queries: Rows, candidates: Rows, kin: Kin, context: StepContext
    ) -> tuple[Float[Tensor, "Q m D"], Bool[Tensor, "Q m"]] | None:
        """Unit vectors; those of a query without negatives are ignored."""
        if context.progress.epoch < self.from_epoch:
            return None
        negatives = _negatives(kin)
        scores = similarities(queries.vectors, (candidates.vectors,))
        scores = scores.masked_fill(~negatives, -torch.inf)
        hard = scores.topk(min(self.hardest, scores.shape[1]), dim=1).indices
        count = negatives.sum(dim=1).clamp(max=hard.shape[1])[:, None]
        others = F.normalize(full(candidates.vectors), dim=1)
        a, b, share = self._draws(queries, context)
        second = others[_picked(hard, count, b)]
        first = others[_picked(hard, count, a[:, : self.pairs])]
        mine = F.normalize(full(queries.vectors), dim=1)[:, None].expand(-1, self.own, -1)
        share = share[:, :, None].to(second)
        share = torch.cat([share[:, : self.pairs], 0.5 * share[:, self.pairs :]], dim=1)
        mixed = share * torch.cat([first, mine], dim=1) + (1 - share) * second
        return F.normalize(mixed, dim=2), (count == 0).expand(-1, self.pairs + self.own)

    def _draws(self, queries: Rows, context: StepContext) -> tuple[Tensor, Tensor, Tensor]:
        """Three uniforms for each query and mix."""
        columns = torch.arange(3 * (self.pairs + self.own), device=queries.slots.device)
        numbers = paired(queries.slots, columns)
        drawn = hash_uniform(
            numbers, seed=context.seed, step=context.progress.step, name="hard mixes"
        )
        a, b, share = drawn.chunk(3, dim=1)
        return a, b, share


def _negatives(kin: Kin) -> Bool[Tensor, "Q K"]:
    negatives = kin.weights == 0
    return negatives if kin.ignored is None else negatives & ~kin.ignored


def _picked(hard: Tensor, count: Tensor, drawn: Tensor) -> Tensor:
    """One of the first ``count`` entries of each query's own row for every draw."""
    places = (drawn * count).long().minimum(count - 1).clamp(min=0)
    return hard.gather(1, places)
