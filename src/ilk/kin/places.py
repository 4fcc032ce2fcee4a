"""Kin of places: for a place of one view of an image, a place of another view of it.

Axes: Q queries, K candidates, B images, M places of an image in the queries' view and N in the
candidates', D features.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import ClassVar

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor

from ilk.core import AlignedKin, AlignedRule, Kin, MemoryName, Output, Rows, StepContext, full
from ilk.kin.algebra import decides_kin
from ilk.kin.memories import HasRows, memory_of

ENTRIES = 2**22  # of tables of places against places, of some images, that are held at once
EDGE = 1e-4  # of half a cell: what rounding may put beyond its edge
_REASON = "a place of a mixed image is made of two images, each with a place of its own"

Scores = Callable[[Tensor, Tensor], Tensor]


@decides_kin
class NearestByFeature:
    """The place whose feature is nearest in the other view of the image.

    By cosine it is the correspondence of DenseCL (Wang et al., CVPR 2021,
    https://arxiv.org/abs/2011.09157, section 3.3), by distance the matching by features of
    VICRegL (Bardes et al., NeurIPS 2022, https://arxiv.org/abs/2210.01571, section 3.2). Places
    are compared within an image alone, some images at a time: memory grows with their number,
    and not with that of all pairs.

    Args:
        of: whose rows are compared, for the queries: the same places of the same view.
        among: likewise, for the first candidates.
        cosine: whether directions are compared, or distances.
        best: of each image only so many queries have kin, whose matches are the nearest; 0 is
            all of them.
    """

    of: Output
    among: Output
    cosine: bool = True
    best: int = 0

    unmixable: ClassVar[str] = _REASON

    def __call__(self, queries: Rows, candidates: Rows, context: StepContext) -> Kin:
        """The same as a table, for rules that hold this one."""
        return self.align(queries, candidates, context).as_table(len(candidates))

    @torch.no_grad()
    def align(self, queries: Rows, candidates: Rows, context: StepContext) -> AlignedKin:
        """One column for each query, and as its group the number of its match in its image."""
        pairs = _paired(self.of, self.among, queries, context)
        ours, theirs = (
            full(rows.vectors).unflatten(0, (pairs.images, -1))
            for rows in (pairs.mine, pairs.theirs)
        )
        if self.cosine:
            ours, theirs = F.normalize(ours, dim=2), F.normalize(theirs, dim=2)
        scores, found = _nearest(ours, theirs, _closeness)
        return pairs.kin(found, scores, torch.isfinite(scores), self.best, candidates)


@decides_kin
class NearestByPlace:
    """The place that lies nearest in the image, by the crops and flips of both views.

    The matching by location of VICRegL (Bardes et al., NeurIPS 2022,
    https://arxiv.org/abs/2210.01571, section 3.2): what is compared are middles of places, in
    shares of the height and width of the whole image. The method must set `Method.places`.

    Args:
        of: an output with the places of the queries, which tells which view they are of.
        among: likewise, for the first candidates.
        best: as in `NearestByFeature`.
        inside: whether only those queries have kin whose middle lies in the other view.
    """

    of: Output
    among: Output
    best: int = 0
    inside: bool = False

    unmixable: ClassVar[str] = _REASON

    def __call__(self, queries: Rows, candidates: Rows, context: StepContext) -> Kin:
        """The same as a table, for rules that hold this one."""
        return self.align(queries, candidates, context).as_table(len(candidates))

    @torch.no_grad()
    def align(self, queries: Rows, candidates: Rows, context: StepContext) -> AlignedKin:
        """As in `NearestByFeature`; a query whose place is not known has no kin."""
        pairs = _paired(self.of, self.among, queries, context)
        ours, theirs = (
            _boxes(rows).unflatten(0, (pairs.images, -1)) for rows in (pairs.mine, pairs.theirs)
        )
        mine, middles = _middles(ours), _middles(theirs)
        scores, found = _nearest(mine, middles, _minus_distances)
        known = torch.isfinite(scores)
        if self.inside:
            chosen = found[..., None].expand(-1, -1, 2)
            apart = (mine - middles.gather(1, chosen)).abs()
            half = (theirs[..., 2:] - theirs[..., :2]).abs().gather(1, chosen) / 2
            known &= (apart <= half * (1 + EDGE)).all(dim=2)
        return pairs.kin(found, scores, known, self.best, candidates)


@decides_kin
class AgainstMemory:
    """Kin by a rule; of the other candidates only the rows of a memory are negatives.

    As `Batchmates` does for tables. Other rows of this step are ignored: other places of the
    image, and those of other images.

    Args:
        rule: decides on one kin of each query, among candidates before the memory.
        memory: its name; its rows must be the last candidates.
    """

    rule: AlignedRule
    memory: MemoryName

    def __call__(self, queries: Rows, candidates: Rows, context: StepContext) -> Kin:
        """The same as a table, for rules that hold this one."""
        return self.align(queries, candidates, context).as_table(len(candidates))

    @torch.no_grad()
    def align(self, queries: Rows, candidates: Rows, context: StepContext) -> AlignedKin:
        """The columns of the rule, all of which are each query's own."""
        past = memory_of(context, self.memory, HasRows).rows()
        kin = self.rule.align(queries, candidates, context)
        return replace(kin, own=len(candidates) - len(past))


@dataclass(frozen=True, slots=True)
class _Pairs:
    """The places of two views, image beside image.

    Args:
        mine: those of the queries.
        theirs: those of the other view.
        images: B.
    """

    mine: Rows
    theirs: Rows
    images: int

    def kin(
        self,
        found: Int[Tensor, "B M"],
        scores: Float[Tensor, "B M"],
        known: Bool[Tensor, "B M"],
        best: int,
        candidates: Rows,
    ) -> AlignedKin:
        """The columns of places that were found in the other view of each image."""
        slots = self.theirs.slots.unflatten(0, (self.images, -1)).gather(1, found).flatten()
        order = candidates.slots.argsort(stable=True)
        place = torch.searchsorted(candidates.slots[order], slots).clamp(max=len(order) - 1)
        columns = order[place]
        number = torch.arange(found.shape[1], device=found.device).expand_as(found)
        if best:
            ranked = scores.masked_fill(~known, -torch.inf)
            far = ranked.argsort(dim=1, descending=True, stable=True)
            number = torch.empty_like(number).scatter_(1, far, number)
            known = known & (number < best)
        weights = known.flatten() & (candidates.slots[columns] == slots)
        shares = self.mine.composition.shares
        return AlignedKin(columns, weights.to(shares.dtype), group=number.flatten())


def _paired(of: Output, among: Output, queries: Rows, context: StepContext) -> _Pairs:
    """The places of both views, on this rank or on all of them, as the queries are.

    Raises:
        ValueError: the queries are not the places of the output.
    """
    ask = context.rows if len(context.rows(of)) == len(queries) else context.joined
    mine, theirs = ask(of), ask(among)
    images = len(ask(replace(of, head="feature")))
    if len(mine) != len(queries) or len(theirs) % images:
        raise ValueError(
            f"kin of places: queries must be the places of {of.network} {of.view} {of.head}, "
            f"of which there are {len(mine)}, got {len(queries)}"
        )
    return _Pairs(mine, theirs, images)


def _nearest(
    ours: Float[Tensor, "B M D"], theirs: Float[Tensor, "B N D"], scores: Scores
) -> tuple[Float[Tensor, "B M"], Int[Tensor, "B M"]]:
    """The largest score of each place, and the place in the other view that has it."""
    size = max(1, ENTRIES // (ours.shape[1] * theirs.shape[1]))
    parts = [
        scores(mine, other).max(dim=2)
        for mine, other in zip(ours.split(size), theirs.split(size), strict=True)
    ]
    return torch.cat([p.values for p in parts]), torch.cat([p.indices for p in parts])


def _closeness(ours: Tensor, theirs: Tensor) -> Tensor:
    """Minus the squared distance of all rows; half precision would confuse near ones."""
    with torch.autocast(ours.device.type, enabled=False):
        products = ours @ theirs.transpose(1, 2)
    lengths = (rows.square().sum(dim=2) for rows in (ours, theirs))
    mine, other = lengths
    return 2 * products - mine[:, :, None] - other[:, None, :]


def _minus_distances(ours: Tensor, theirs: Tensor) -> Tensor:
    """The same of middles, by their differences: they may lie close together."""
    return -(ours[:, :, None] - theirs[:, None]).square().sum(dim=3)


def _boxes(rows: Rows) -> Float[Tensor, "places 4"]:
    if rows.place is None:
        raise ValueError(
            "kin of places: it must be known where views lie in their images; set Method.places"
        )
    return rows.place


def _middles(boxes: Float[Tensor, "B M 4"]) -> Float[Tensor, "B M 2"]:
    return (boxes[..., :2] + boxes[..., 2:]) / 2
