"""Kin by resemblance: nearest neighbours, false negatives, the same cluster.

Axes: Q queries, K candidates, D features.
"""

from typing import Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor

from ilk.core import (
    HeadName,
    Kin,
    KinRule,
    MemoryName,
    Output,
    Rows,
    Scalar,
    StepContext,
    full,
    overlap,
    similarities,
    value,
)
from ilk.kin.algebra import decides_kin, normalize_kin, normalize_rows
from ilk.kin.memories import HasRows, Visited, memory_of

_ROW_BY_ROW = "its kin are decided row by row, by rows that are not mixed"


@decides_kin
class Neighbours:
    """The k candidates most like the query, by cosine.

    Mean shift over a memory is MSF (Koohpayegani et al., ICCV 2021); a search inside another
    rule is its constrained form, CMSF (Navaneet et al., ECCV 2022).

    Args:
        k: fewer where there are fewer candidates, or fewer within.
        by: whose rows look for neighbours in place of the queries, such as a teacher's; a query
            has those of the rows it shares sources with, by their share.
        among: name of a memory whose rows are compared in place of the candidates, row for row:
            the same entries in another field.
        within: only kin of this rule are searched.
    """

    k: int
    by: Output | None = None
    among: MemoryName | None = None
    within: KinRule | None = None

    def __call__(self, queries: Rows, candidates: Rows, context: StepContext) -> Kin:
        """Equal weights on the nearest."""
        deciding = queries if self.by is None else context.rows(self.by)
        others = candidates
        if self.among is not None:
            others = memory_of(context, self.among, HasRows).rows()
        scores = similarities(deciding.vectors, (others.vectors,))
        ignored = None
        if self.within is not None:
            within = self.within(deciding, candidates, context)
            scores = scores.masked_fill(within.weights == 0, -torch.inf)
            ignored = within.ignored
        kin = normalize_kin(_nearest(scores, self.k), ignored)
        return kin if self.by is None else spread(queries, deciding, kin)


@decides_kin
class FormerNeighbours:
    """The k candidates whose items were most similar one visit ago: distant now, yet related.

    The constraint of CMSF without labels (Navaneet et al., ECCV 2022, section 3.1): neighbours
    of the same item under another augmentation.

    Args:
        k: fewer where there are fewer candidates.
        past: name of a memory that knows former embeddings.
    """

    k: int
    past: MemoryName

    def __call__(self, queries: Rows, candidates: Rows, context: StepContext) -> Kin:
        """Equal weights on the nearest of the past."""
        past = memory_of(context, self.past, Visited)
        scores = similarities(past.before(queries), (past.before(candidates),))
        return Kin(_nearest(scores, self.k))


@decides_kin
class SoftNeighbours:
    """All candidates, by similarity: ``softmax(cosine / temperature)`` of each row.

    The target of ReSSL, Zheng et al., NeurIPS 2021, https://arxiv.org/abs/2107.09282, Eq. 4;
    as the temperature falls it becomes the nearest neighbour alone.

    Args:
        temperature: positive; smaller is sharper.
        by: whose rows are compared, such as a teacher's; a query has the relations of the rows
            it shares sources with, by their share.
        among: outputs whose rows, of all ranks, are compared in place of the candidates, row
            for row; () are the candidates themselves.
        mask: what this rule ignores for the deciding row is ignored.
    """

    temperature: Scalar
    by: Output
    among: tuple[Output, ...] = ()
    mask: KinRule | None = None

    def __call__(self, queries: Rows, candidates: Rows, context: StepContext) -> Kin:
        """Weights of all candidates."""
        deciding = context.rows(self.by)
        others = tuple(context.joined(output).vectors for output in self.among)
        scores = similarities(deciding.vectors, others or (candidates.vectors,))
        ignored = None
        if self.mask is not None:
            ignored = self.mask(deciding, candidates, context).ignored
        if ignored is not None:
            scores = scores.masked_fill(ignored, -torch.inf)
        codes = torch.softmax(scores / value(self.temperature, context.progress), dim=1)
        # If all pairs of a row are ignored, it is all minus infinity.
        return spread(queries, deciding, Kin(codes.nan_to_num(0.0), ignored))


@decides_kin
class Similar:
    """False negatives: of another image, yet among the most similar and similar enough.

    FNC, Huynh et al., WACV 2022, https://arxiv.org/abs/2011.11765: ``CommonSource() |
    Similar()`` attracts them, ``CommonSource() - Similar()`` eliminates them. All views of an
    image find the same ones when ``over`` names the same outputs, and a mix finds those of all
    its sources, by their shares.

    Args:
        top: at most so many for a query.
        above: cosine that must be exceeded.
        over: the support views, compared in place of the query; () is the query alone.
        reduce: similarity to the most similar support view, or the mean over them.
    """

    top: int = 10
    above: Scalar = 0.7
    over: tuple[Output, ...] = ()
    reduce: Literal["max", "mean"] = "max"

    def __call__(self, queries: Rows, candidates: Rows, context: StepContext) -> Kin:
        """Equal weights on those found."""
        if not self.over:
            return self._found([queries.vectors], queries, candidates, context)
        return context.once(
            self, queries, candidates, lambda: self._by_views(queries, candidates, context)
        )

    def _by_views(self, queries: Rows, candidates: Rows, context: StepContext) -> Kin:
        """Those of the support views; of a mix those of all its sources, each by its share."""
        views = [context.rows(output) for output in self.over]
        plain = views[0].composition.sources.shape[1] == 1
        asked = views[0] if plain and queries.composition.sources.shape[1] > 1 else queries
        supports = [rows.vectors[_of_same_items(rows, asked)] for rows in views]
        kin = self._found(supports, asked, candidates, context)
        return kin if asked is queries else _of_sources(queries, candidates, asked, kin)

    def _found(
        self,
        supports: list[Tensor],
        queries: Rows,
        candidates: Rows,
        context: StepContext,
    ) -> Kin:
        views = [similarities(support, (candidates.vectors,)) for support in supports]
        scores = torch.stack(views)
        scores = scores.amax(0) if self.reduce == "max" else scores.mean(0)
        known = overlap(queries.composition, candidates.composition) > 0
        low = scores <= value(self.above, context.progress)
        return Kin(_nearest(scores.masked_fill(known | low, -torch.inf), self.top))


@decides_kin
class SameCluster:
    """Candidates whose best prototype is the query's.

    Args:
        by: projections that choose in place of the queries, row for row.
        head: which scores projections against prototypes.
    """

    by: Output | None = None
    head: HeadName = "prototypes"

    @property
    def unmixable(self) -> str:
        """Its rows may be compared one by one with others, which are not mixed with them."""
        return "" if self.by is None else _ROW_BY_ROW

    def __call__(self, queries: Rows, candidates: Rows, context: StepContext) -> Kin:
        """Equal weights on cluster mates."""
        own = context.scores(self.head, _deciding(queries, self.by, context)).argmax(1)
        theirs = context.scores(self.head, candidates.vectors).argmax(1)
        same = own[:, None] == theirs[None, :]
        return Kin(normalize_rows(same.to(queries.composition.shares.dtype)))


@decides_kin
class SurePairs:
    """Candidates surely of the query's class; pairs that are not sure are ignored.

    DAC, Chang et al., ICCV 2017, Eq. 6: two thresholds on the cosine of class probabilities,
    which meet as the run goes on. Rows are scores over classes.

    Args:
        above: cosine from which on two are of one class.
        below: cosine under which they are of two.
        by: rows of all ranks that decide in place of both queries and candidates, such as
            those of another view of the same images; None are they themselves.
    """

    above: Scalar
    below: Scalar
    by: Output | None = None

    @property
    def unmixable(self) -> str:
        """Its rows may be compared one by one with others, which are not mixed with them."""
        return "" if self.by is None else _ROW_BY_ROW

    def __call__(self, queries: Rows, candidates: Rows, context: StepContext) -> Kin:
        """Equal weights on those surely of one class."""
        deciding = (queries, candidates) if self.by is None else [context.joined(self.by)] * 2
        ours, theirs = (full(rows.vectors).softmax(dim=1) for rows in deciding)
        alike = similarities(ours, (theirs,))
        above, below = (value(edge, context.progress) for edge in (self.above, self.below))
        same = alike >= above
        return Kin(normalize_rows(same.to(alike.dtype)), ~same & (alike >= below))


def _of_same_items(rows: Rows, queries: Rows) -> Int[Tensor, " Q"]:
    """Where the row of each query's first source is: mixes may have fewer rows than views."""
    same = queries.composition.sources[:, :1] == rows.composition.sources[None, :, 0]
    return same.int().argmax(dim=1)


def _of_sources(queries: Rows, candidates: Rows, asked: Rows, kin: Kin) -> Kin:
    """The kin of plain rows for mixes of them; what shares a source is kin already."""
    known = overlap(queries.composition, candidates.composition) > 0
    shared = spread(queries, asked, kin).weights.masked_fill(known, 0.0)
    mixed = (queries.composition.shares > 0).sum(dim=1) > 1
    own = kin.weights[_of_same_items(asked, queries)]
    return Kin(torch.where(mixed[:, None], normalize_rows(shared).to(own), own))


def _deciding(queries: Rows, by: Output | None, context: StepContext) -> Float[Tensor, "Q D"]:
    if by is None:
        return queries.vectors
    rows = context.rows(by)
    if len(rows) != len(queries):
        raise ValueError(
            f"{by}: must have a row for each of {len(queries)} queries, got {len(rows)}"
        )
    return rows.vectors


def spread(queries: Rows, deciding: Rows, kin: Kin) -> Kin:
    """The kin of other rows, as far as a query shares sources with them.

    A pair is ignored where all of those rows ignore it.
    """
    shares = normalize_rows(overlap(queries.composition, deciding.composition))
    weights = shares.to(kin.weights.dtype) @ kin.weights
    if kin.ignored is None:
        return Kin(weights)
    let_in = (shares > 0).float() @ (~kin.ignored).float()
    return normalize_kin(weights, let_in == 0)


def _nearest(scores: Float[Tensor, "Q K"], k: int) -> Float[Tensor, "Q K"]:
    """Equal weights on the k best of each row; minus infinity is never chosen."""
    top = scores.topk(min(k, scores.shape[1]), dim=1)
    chosen = (top.values > -torch.inf).to(scores.dtype)
    return normalize_rows(torch.zeros_like(scores).scatter(1, top.indices, chosen))
