"""Kin over classes: the teacher's probabilities, or a balanced assignment to prototypes.

The queries are scores over K classes; so the candidates of these rules are the classes, and the
candidate rows are not looked at. Axes: Q queries, N rows that decide, K classes or prototypes.
"""

from dataclasses import field, replace

import torch
import torch.distributed as dist
from jaxtyping import Float
from torch import Tensor

from ilk.core import (
    AlignedRule,
    HeadName,
    Kin,
    KinRule,
    MemoryName,
    Output,
    Rows,
    Scalar,
    StepContext,
    full,
    value,
)
from ilk.kin.algebra import Evenly, decides_kin
from ilk.kin.memories import Centred, Written, memory_of
from ilk.kin.source import CommonSource


@decides_kin
class Assigned:
    """The teacher's class probabilities, as far as a query shares sources with its rows.

    ``T = shares @ softmax((scores - centre) / temperature)``: on plain views DINO (Caron et
    al., ICCV 2021, https://arxiv.org/abs/2104.14294), on mixed ones SDMP on DINO (Ren et al.,
    CVPR 2022, Eq. 7 and 8), because cross-entropy is linear in its target.

    Args:
        by: scores of the network that decides.
        temperature: positive; smaller is sharper.
        centre: name of the memory with the running mean of those scores; None is zero.
        shares: how much each of the deciding rows counts for a query; an aligned rule, such as
            ``Counterpart``, makes no table of all places against all places.
    """

    by: Output
    temperature: Scalar
    centre: MemoryName | None = None
    shares: KinRule = field(default_factory=CommonSource)

    def __call__(self, queries: Rows, candidates: Rows, context: StepContext) -> Kin:
        """Probabilities over classes."""
        teacher = context.rows(self.by)
        scores = full(teacher.vectors)
        if self.centre is not None:
            scores = scores - memory_of(context, self.centre, Centred).value
        codes = torch.softmax(scores / value(self.temperature, context.progress), dim=1)
        return _spread(self.shares, queries, teacher, context, codes)


@decides_kin
class Sinkhorn:
    """A balanced soft assignment to prototypes, as far as a query shares sources with its rows.

    SwAV, Caron et al., NeurIPS 2020, https://arxiv.org/abs/2006.09882. The rows of a step are
    balanced together, on all ranks: a memory must hold the same on each of them.

    Args:
        by: scores over prototypes of the view that decides.
        head: of the student, which scores what ``by`` shows; None where that are scores.
        beside: further scores that are balanced along with these, as those of the other large
            crop in DINOv2.
        epsilon: entropy of the assignment; smaller is sharper.
        iterations: rounds of balancing, at least one.
        pool: name of a memory of projections that are balanced along with the batch, once all
            of its entries have been written.
        pool_from: step at which the pool is first used.
        shares: how much each of the deciding rows counts for a query, as in `Assigned`.
    """

    by: Output
    head: HeadName | None = None
    beside: tuple[Output, ...] = ()
    epsilon: Scalar = 0.05
    iterations: int = 3
    pool: MemoryName | None = None
    pool_from: int = 0
    shares: KinRule = field(default_factory=CommonSource)

    def __call__(self, queries: Rows, candidates: Rows, context: StepContext) -> Kin:
        """Codes over prototypes."""
        deciding = context.rows(self.by)
        further = [full(context.rows(output).vectors) for output in self.beside]
        scores = torch.cat([full(deciding.vectors), *further])
        if self.head is not None:
            scores = full(context.scores(self.head, scores))
        counts = scores.new_ones(len(scores))
        if self.pool is not None and context.progress.step >= self.pool_from:
            pool = memory_of(context, self.pool, Written)
            past = context.scores(self.by.head, pool.rows().vectors)
            scores = torch.cat([scores, full(past).to(scores)])
            # Every rank adds the same pool; divided by their number it counts once in all.
            full_yet = pool.written().all().to(counts).expand(len(pool.written()))
            counts = torch.cat([counts, full_yet / _ranks()])
        epsilon = value(self.epsilon, context.progress)
        codes = sinkhorn(scores, counts, epsilon=epsilon, iterations=self.iterations)
        return _spread(self.shares, queries, deciding, context, codes[: len(deciding)])


def with_even_weights(rule: KinRule) -> KinRule:
    """The same kin with equal weights; where kin are classes, equal shares of deciding rows."""
    if isinstance(rule, Assigned | Sinkhorn):
        return replace(rule, shares=Evenly(rule=rule.shares))
    return Evenly(rule=rule)


def sinkhorn(
    scores: Float[Tensor, "N K"],
    counts: Float[Tensor, " N"],
    *,
    epsilon: float,
    iterations: int,
) -> Float[Tensor, "N K"]:
    """Codes whose rows sum to one while every prototype gets about the same in total.

    Sinkhorn-Knopp on ``exp(scores / epsilon)`` in logarithms, which cannot overflow; rows of
    all ranks are balanced together. The last step scales rows, so only they are exact.

    Args:
        scores: over prototypes.
        counts: how much a row weighs in the balance; zero does not count, yet gets a code.
        epsilon: positive.
        iterations: at least one.
    """
    if iterations < 1:
        raise ValueError(f"sinkhorn: iterations must be at least 1, got {iterations}")
    log = full(scores) / epsilon
    weigh = counts.log()[:, None]
    for _ in range(iterations):
        log = log - _sum_over_ranks(torch.logsumexp(log + weigh, dim=0))
        log = torch.log_softmax(log, dim=1)
    return log.exp()


def _sum_over_ranks(log: Float[Tensor, " K"]) -> Float[Tensor, " K"]:
    """Logarithm of the sum over ranks of the exponentials."""
    if _ranks() == 1:
        return log
    top = log.clone()
    dist.all_reduce(top, dist.ReduceOp.MAX)
    total = (log - top).exp()
    dist.all_reduce(total)
    return top + total.log()


def _ranks() -> int:
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def _spread(
    shares: KinRule,
    queries: Rows,
    deciding: Rows,
    context: StepContext,
    codes: Float[Tensor, "N K"],
) -> Kin:
    """The codes of the deciding rows, as far as they count for each query."""
    if isinstance(shares, AlignedRule):
        kin = shares.align(queries, deciding, context)
        return Kin(codes[kin.columns] * kin.weights.to(codes.dtype)[:, None])
    return Kin(shares(queries, deciding, context).weights.to(codes.dtype) @ codes)
