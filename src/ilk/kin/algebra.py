"""How kin rules combine: either, both, without.

Rules carry three operators: ``a | b`` is kin by either, ``a & b`` kin of ``a`` that
are kin of ``b`` too, ``a - b`` kin by ``a`` where all kin of ``b`` are ignored.
Axes: Q queries, K candidates.
"""

from dataclasses import dataclass, field, replace
from typing import TypeVar, dataclass_transform

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from ilk.core import UNKNOWN, Composition, Kin, KinRule, Rows, StepContext, UserError, full

R = TypeVar("R", bound=KinRule)


@dataclass_transform(frozen_default=True, kw_only_default=True, field_specifiers=(field,))
def decides_kin(cls: type[R]) -> type[R]:
    """What every rule is: frozen settings, a call without gradients, and the operators.

    Type checkers do not see the operators; where types are checked, ``union``, ``restrict`` and
    ``leave_out`` say the same.

    Args:
        cls: fields and ``__call__``.
    """
    members = {
        "__call__": torch.no_grad()(cls.__call__),
        "__or__": union,
        "__and__": restrict,
        "__sub__": leave_out,
    }
    for name, member in members.items():
        setattr(cls, name, member)
    return dataclass(frozen=True, kw_only=True, slots=True)(cls)


def union(a: KinRule, b: KinRule) -> "Union":
    """``a | b``."""
    return Union(rules=(a, b))


def restrict(a: KinRule, b: KinRule) -> "Restrict":
    """``a & b``."""
    return Restrict(rule=a, to=b)


def leave_out(a: KinRule, b: KinRule) -> "LeaveOut":
    """``a - b``."""
    return LeaveOut(rule=a, those=b)


@decides_kin
class Union:
    """Kin by any of the rules; the closest kin of each rule counts as much as that of another.

    Rows are scaled to a maximum of one before the larger weight is taken, so that sets unite:
    one own view and three neighbours give a quarter to each (FNC, Huynh et al., WACV 2022).
    A pair that one rule ignores is ignored, whatever the others decide.
    """

    rules: tuple[KinRule, ...]

    def __call__(self, queries: Rows, candidates: Rows, context: StepContext) -> Kin:
        """Larger weights and all left-out pairs."""
        kins = [rule(queries, candidates, context) for rule in self.rules]
        weights, ignored = scale_to_peak(kins[0].weights), kins[0].ignored
        for kin in kins[1:]:
            weights = torch.maximum(weights, scale_to_peak(kin.weights))
            ignored = _either(ignored, kin.ignored)
        return normalize_kin(weights, ignored)


@decides_kin
class Restrict:
    """Kin of ``rule`` that are kin of ``to`` as well, with the weights of ``rule``."""

    rule: KinRule
    to: KinRule

    def __call__(self, queries: Rows, candidates: Rows, context: StepContext) -> Kin:
        """Weights of the one where the other agrees."""
        kin, to = self.rule(queries, candidates, context), self.to(queries, candidates, context)
        return normalize_kin(kin.weights * (to.weights > 0), _either(kin.ignored, to.ignored))


@decides_kin
class LeaveOut:
    """Kin by ``rule``; the kin of ``those`` are ignored, in the denominator too."""

    rule: KinRule
    those: KinRule

    def __call__(self, queries: Rows, candidates: Rows, context: StepContext) -> Kin:
        """Weights of what remains, and the ignored pairs."""
        kin, those = (
            self.rule(queries, candidates, context),
            self.those(queries, candidates, context),
        )
        return normalize_kin(kin.weights, _either(kin.ignored, those.weights > 0))


@decides_kin
class Without:
    """Kin by ``rule`` but for the kin of ``those``, which stay negatives."""

    rule: KinRule
    those: KinRule

    def __call__(self, queries: Rows, candidates: Rows, context: StepContext) -> Kin:
        """Weights of what remains."""
        kin, those = (rule(queries, candidates, context) for rule in (self.rule, self.those))
        left = normalize_kin(kin.weights * (those.weights == 0), kin.ignored)
        return replace(left, importance=kin.importance)


@decides_kin
class OrElse:
    """Kin by ``rule``; for queries that have none by it, kin by ``other``.

    Lifts a constraint where it cannot be met, as for a query without a label (CMSF, Navaneet et
    al., ECCV 2022, section 3.2). What ``rule`` ignores for a query that it decides is ignored.
    """

    rule: KinRule
    other: KinRule

    def __call__(self, queries: Rows, candidates: Rows, context: StepContext) -> Kin:
        """Each row from one of the two."""
        kin, other = (rule(queries, candidates, context) for rule in (self.rule, self.other))
        decided = (kin.weights.sum(1) > 0)[:, None]
        weights = torch.where(decided, kin.weights, other.weights)
        if kin.ignored is None and other.ignored is None:
            return Kin(weights)
        none_ignored = torch.zeros_like(weights, dtype=torch.bool)
        ours, theirs = (none_ignored if k.ignored is None else k.ignored for k in (kin, other))
        return Kin(weights, torch.where(decided, ours, theirs))


@decides_kin
class Evenly:
    """The kin of ``rule``, all with the same weight: how much is shared does not count.

    Over common sources this freezes the label of a mix at one half each, whatever its pixels
    are: the static lambda of SDMP's ablation (Ren et al., CVPR 2022, Tables 6 and 7).
    """

    rule: KinRule

    def __call__(self, queries: Rows, candidates: Rows, context: StepContext) -> Kin:
        """Uniform weights over the same kin."""
        kin = self.rule(queries, candidates, context)
        even = normalize_kin((kin.weights > 0).to(kin.weights.dtype), kin.ignored)
        return replace(even, importance=kin.importance)


@decides_kin
class Smoothed:
    """The kin of ``rule``, with a share of their weight spread evenly over all candidates.

    Label smoothing, Szegedy et al., CVPR 2016, https://arxiv.org/abs/1512.00567, section 7. A
    query without kin gets none, and what is ignored gets no weight.

    Args:
        rule: whose kin.
        share: of the weight, in [0, 1].
    """

    rule: KinRule
    share: float

    def __post_init__(self) -> None:
        if not 0 <= self.share <= 1:
            raise UserError(f"smoothing: must be from 0 to 1, got {self.share}")

    def __call__(self, queries: Rows, candidates: Rows, context: StepContext) -> Kin:
        """``(1 - share) T + share / K`` over the K candidates that are not ignored."""
        kin = self.rule(queries, candidates, context)
        weights = kin.weights.to(full(queries.vectors))
        related = kin.related[:, None].expand_as(weights).to(weights)
        even = normalize_kin(related, kin.ignored).weights
        return replace(kin, weights=torch.lerp(weights, even, self.share))


def source_shares(made: Composition, count: int) -> Float[Tensor, "Q K"]:
    """How much of each of ``count`` sources a row is made of, without what is not known.

    Example:
        >>> sources = torch.tensor([[2, 0], [1, UNKNOWN]])
        >>> made = Composition(sources, torch.tensor([[0.75, 0.25], [0.75, 0.25]]))
        >>> source_shares(made, 3).tolist()
        [[0.25, 0.0, 0.75], [0.0, 0.75, 0.0]]
    """
    shares = made.shares.masked_fill(made.sources == UNKNOWN, 0.0)
    table = shares.new_zeros(len(made), count)
    return table.scatter_add(1, made.sources.clamp(min=0), shares)


def normalize_rows(weights: Float[Tensor, "Q K"]) -> Float[Tensor, "Q K"]:
    """Each row divided by its sum; rows of zeros stay."""
    sums = weights.sum(1, keepdim=True)
    return weights / torch.where(sums > 0, sums, torch.ones_like(sums))


def normalize_kin(weights: Float[Tensor, "Q K"], ignored: Bool[Tensor, "Q K"] | None) -> Kin:
    """Kin of non-negative weights, rows normalised over the pairs that are not ignored."""
    if ignored is not None:
        weights = weights.masked_fill(ignored, 0.0)
    return Kin(normalize_rows(weights), ignored)


def scale_to_peak(weights: Float[Tensor, "Q K"]) -> Float[Tensor, "Q K"]:
    """Each row divided by its largest entry; rows of zeros stay."""
    top = weights.amax(1, keepdim=True)
    return weights / torch.where(top > 0, top, torch.ones_like(top))


def _either(a: Tensor | None, b: Tensor | None) -> Tensor | None:
    if a is None or b is None:
        return b if a is None else a
    return a | b
