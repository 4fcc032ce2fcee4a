"""Kin by origin: what views are made of, and which image they show.

Axes: Q queries, K candidates.
"""

from dataclasses import replace

from ilk.core import Composition, Kin, KinRule, Rows, StepContext, overlap
from ilk.core.facts import LABEL
from ilk.kin.algebra import LeaveOut, Union, Without, decides_kin, normalize_rows, source_shares


@decides_kin
class CommonSource:
    """Views are kin as far as they are made of the same: row-normalised overlap.

    Plain views give the identity of InfoNCE; mixed ones the soft labels of SDMP, Ren et al.,
    CVPR 2022, Eq. 3 (against plain candidates) and Eq. 4 (against mixed ones). Rows of a memory
    that does not keep sources are kin of none.
    """

    def __call__(self, queries: Rows, candidates: Rows, context: StepContext) -> Kin:
        """Weights in proportion to the shares in common."""
        return Kin(normalize_rows(overlap(queries.composition, candidates.composition)))


@decides_kin
class SameLabel:
    """Views are kin as far as they are made of the same class; unknown labels have no kin.

    ``CommonSource() | SameLabel()`` is supervised contrastive learning (Khosla et al., NeurIPS
    2020, https://arxiv.org/abs/2004.11362, Eq. 2) where labels are known, and instance
    discrimination where they are not.

    Args:
        fact: that stands in for the class, such as ``domain`` or ``video``.
    """

    fact: str = LABEL

    def __call__(self, queries: Rows, candidates: Rows, context: StepContext) -> Kin:
        """Weights in proportion to the shares of classes in common."""
        names = context.fact(self.fact)
        ours, theirs = (rows.shown.relabel(names) for rows in (queries, candidates))
        return Kin(normalize_rows(overlap(ours, theirs)))


@decides_kin
class OwnItem:
    """Each query's own item; the queries are scores over all items of the data set.

    DIET, Balestriero, 2023, https://arxiv.org/abs/2302.10260: the number of an image is its
    class. A mix has the shares of its sources.

    Args:
        items: of the data set.
    """

    items: int

    def __call__(self, queries: Rows, candidates: Rows, context: StepContext) -> Kin:
        """The shares of the items that a query is made of, of the part that is known."""
        return Kin(normalize_rows(source_shares(queries.composition, self.items)))


@decides_kin
class LargestSource:
    """Kin by ``rule`` as if a mix were made of its largest source alone: a hard label.

    DACL, Verma et al., ICML 2021, https://arxiv.org/abs/2011.04419, where the rest is noise.
    """

    rule: KinRule

    def __call__(self, queries: Rows, candidates: Rows, context: StepContext) -> Kin:
        """What the rule says of such queries; of equal shares the first one counts."""
        made = queries.composition
        first = made.sources.gather(1, made.shares.argmax(dim=1, keepdim=True))[:, 0]
        return self.rule(
            replace(queries, composition=Composition.plain(first)), candidates, context
        )


@decides_kin
class Itself:
    """The candidate that shows the same image: ``CommonSource() - Itself()`` is SimCLR."""

    def __call__(self, queries: Rows, candidates: Rows, context: StepContext) -> Kin:
        """Equal weights on equal slots."""
        same = queries.slots[:, None] == candidates.slots[None, :]
        same &= queries.slots[:, None] >= 0
        return Kin(normalize_rows(same.to(queries.composition.shares.dtype)))


@decides_kin
class Batchmates:
    """Candidates of this step that share nothing with the query.

    ``CommonSource() - Batchmates()`` contrasts with a memory alone, own key against queue, as
    MoCo v2 does (Chen et al., 2020, https://arxiv.org/abs/2003.04297).
    """

    def __call__(self, queries: Rows, candidates: Rows, context: StepContext) -> Kin:
        """Equal weights on other images with a slot."""
        shared = overlap(queries.composition, candidates.composition)
        mates = (shared == 0) & (candidates.slots >= 0)[None, :]
        return Kin(normalize_rows(mates.to(shared.dtype)))


def among_batchmates(rule: KinRule) -> KinRule:
    """The same rule with the other keys of the batch as candidates beside a memory.

    Mixed queries of MoCo are compared with all keys of the batch and the queue (i-Mix, Lee
    et al., ICLR 2021; MixCo, Kim et al., 2020).
    """
    if isinstance(rule, Union):
        return replace(rule, rules=tuple(among_batchmates(part) for part in rule.rules))
    if isinstance(rule, Without):
        return replace(rule, rule=among_batchmates(rule.rule))
    if isinstance(rule, LeaveOut):
        inner = among_batchmates(rule.rule)
        return inner if isinstance(rule.those, Batchmates) else replace(rule, rule=inner)
    return rule
