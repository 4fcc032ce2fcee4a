"""What unlabelled images do to a run that learns classes. Axes: Q queries, K classes."""

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from typing import cast

import torch
from lightning_fabric import wrappers
from torch import Tensor, nn

from ilk.core import UNKNOWN, Kin, Output
from ilk.method import Method, label_head, unlabelled_terms
from ilk.train.loop.step import Step


def pseudo_label_scores(method: Method, context: Step) -> dict[str, float]:
    """The share of unlabelled rows that have a target, and how often it is the right class.

    ``pseudo_share`` is the share of rows above the threshold, where there is one. Of the rows
    with a target whose class monitors know, ``pseudo_accuracy`` is the share whose most
    probable target is that class; the method never sees it. Mixed rows have several and do not
    count, and neither do terms over other classes, such as rotations. Where the candidates are
    rows of scores, the target is their mean probability, as in consistency.

    Args:
        method: whose step it was.
        context: the step, with its terms computed.
    """
    head = label_head(method)
    terms = [
        term
        for term in unlabelled_terms(method)
        if any(isinstance(query, Output) and query.head == head for query in term.queries)
    ]
    counts = torch.zeros(4)
    for record in context.kin_records:
        kin = record.kin
        if record.term not in terms or not isinstance(kin, Kin):
            continue
        counts[0] += len(kin.related)
        counts[1] += kin.related.sum().cpu()
        if context.monitor_labels is None:
            continue
        made = record.queries.shown.relabel(context.monitor_labels)
        known = kin.related & (made.sources[:, 0] != UNKNOWN)
        known &= made.shares[:, 0] == made.shares.sum(dim=1)
        counts[2] += known.sum().cpu()
        targets = kin.weights
        if record.term.classes is None:  # the target is what the kin say
            targets = targets @ record.candidates.vectors.softmax(dim=1).to(targets)
        right = targets.argmax(dim=1) == made.sources[:, 0]
        counts[3] += (right & known).sum().cpu()
    rows, chosen, known_rows, right_rows = counts.tolist()
    out = {"pseudo_share": chosen / rows} if rows else {}
    return out | ({"pseudo_accuracy": right_rows / known_rows} if known_rows else {})


def unlabelled_norm(
    method: Method, losses: Mapping[str, Tensor], student: nn.Module
) -> dict[str, float]:
    """Norm of the gradient that the unlabelled terms alone send into the weights.

    Args:
        method: whose step it is.
        losses: weighted, by name; their gradients are not touched.
        student: that learns.
    """
    names = {term.name for term in unlabelled_terms(method)} & losses.keys()
    moved = [weight for weight in student.parameters() if weight.requires_grad]
    parts = [losses[name] for name in sorted(names) if losses[name].requires_grad]
    if not parts:
        return {"unlabelled_grad_norm": 0.0} if names else {}
    total = torch.stack(parts).sum()
    with _on_purpose():
        found = torch.autograd.grad(total, moved, retain_graph=True, allow_unused=True)
    slopes = cast("tuple[Tensor | None, ...]", found)  # None for what the terms do not reach
    norms = [slope.norm() for slope in slopes if slope is not None]
    return {"unlabelled_grad_norm": torch.stack(norms).norm().item() if norms else 0.0}


@contextmanager
def _on_purpose() -> Generator[None]:
    """Within, gradients may be taken for no step, which Fabric refuses in half precision."""
    before, wrappers._in_fabric_backward = wrappers._in_fabric_backward, True
    try:
        yield
    finally:
        wrappers._in_fabric_backward = before
