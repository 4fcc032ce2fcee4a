"""Precision and recall of kin rules, by labels. Axes: Q queries, K candidates, S shares."""

from collections.abc import Iterator

import numpy as np
import torch
from jaxtyping import Bool, Float, Int, Int32
from torch import Tensor

from ilk.core import UNKNOWN, Composition, Kin, KinRule, Rows, StepContext, overlap, seeding
from ilk.kin import Batchmates, Itself, LeaveOut


def kin_counts(
    rule: KinRule,
    queries: Rows,
    candidates: Rows,
    kin: Kin,
    labels: Int[Tensor, " M"],
    context: StepContext,
) -> Float[Tensor, "4"]:
    """Weight of the pairs that a rule found, of those with a common label, and their numbers.

    Only pairs that show different images of known label count; a mix has the labels of all
    that it is made of. Found are kin, and false
    negatives that are left out: the rows that ``LeaveOut`` takes away by anything but origin.
    The numbers, which stay on the device, are the weight found, how much of it lies on pairs
    with a common label, how many such pairs were found, and how many there are.

    Args:
        rule: of the term.
        queries: its rows.
        candidates: its columns.
        kin: what the rule decided.
        labels: of all items, -1 where unknown.
        context: the step, as the rule had it.
    """
    found = kin.weights
    for cancelling in _cancelling(rule):
        found = found + cancelling(queries, candidates, context).weights
    mine, theirs = (rows.shown.relabel(labels) for rows in (queries, candidates))
    counted = _known(mine)[:, None] & _known(theirs)[None, :]
    counted &= overlap(queries.shown, candidates.shown) == 0
    related = counted & (overlap(mine, theirs) > 0)
    right = found * related
    counts = ((found * counted).sum(), right.sum(), (right > 0).sum(), related.sum())
    return torch.stack([count.float() for count in counts])


def reveal(
    values: Int32[np.ndarray, " M"], share: float, *, seed: int
) -> Int32[np.ndarray, " M"]:
    """A fact of a share of the items, -1 elsewhere; a function of seed and item alone."""
    items = np.arange(len(values))
    drawn = seeding.uniforms(seed, 0, items, "kin/labels", 1)[:, 0] < share
    return np.where(drawn, values, np.int32(UNKNOWN))


def _cancelling(rule: object) -> Iterator[KinRule]:
    """The rules that look for false negatives to leave out."""
    if isinstance(rule, LeaveOut):
        if not isinstance(rule.those, Itself | Batchmates):
            yield rule.those
        yield from _cancelling(rule.rule)


def _known(labels: Composition) -> Bool[Tensor, " R"]:
    """Rows of which every share has a label."""
    return ((labels.sources != UNKNOWN) | (labels.shares == 0)).all(dim=1)
