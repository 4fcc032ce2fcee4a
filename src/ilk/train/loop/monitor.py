"""Signs of learning and of collapse, read off a step."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ilk.core import Kin, Output, Progress
from ilk.embedding import feature_std, rankme
from ilk.method import Method, Pass, label_head, passes
from ilk.train.loop.pseudo_labels import pseudo_label_scores
from ilk.train.loop.step import Step

SPREAD_FLOOR = 0.1  # of 1 for rows spread evenly over the sphere
RANK_FLOOR = 2.0
PATIENCE = 3  # checks in a row before the alarm sounds


def signs(method: Method, context: Step) -> dict[str, float]:
    """Spread and effective rank of features, entropy of targets, how right kin rules are.

    Args:
        method: whose step it was.
        context: the step.
    """
    out: dict[str, float] = {}
    seen = _fullest_student_pass(method, context)
    if seen is not None and _rows(seen, context) > 1:
        view, names = seen.view, seen.heads
        feature = context.rows(Output("student", view, "feature")).vectors.float()
        out["feature_std"] = feature_std(feature)
        out["rankme"] = rankme(feature)
        if first := next((name for name in method.heads if name in names), None):
            rows = context.rows(Output("student", view, first)).vectors.float()
            out[f"{first}_std"] = feature_std(rows)
    entropies = [
        _entropy(record.kin.weights)
        for record in context.kin_records
        if record.term.classes is not None and isinstance(record.kin, Kin)
    ]
    if entropies:
        out["teacher_entropy"] = sum(entropies) / len(entropies)
    out |= pseudo_label_scores(method, context) | context.numbers
    return out | kin_scores(context.kin_counts)


def alarming(method: Method, numbers: Mapping[str, float]) -> Mapping[str, float]:
    """What of some numbers may be a sign of collapse.

    Features of a method that learns classes from labels have a low rank where classes are few,
    by design; none may be all the same.

    Args:
        method: that is trained.
        numbers: numbers of a step, by name.
    """
    return numbers if label_head(method) is None else {"feature_std": numbers["feature_std"]}


@runtime_checkable
class _Relabelled(Protocol):
    agreement: Tensor


def label_changes(memory: Mapping[str, nn.Module], progress: Progress) -> dict[str, float]:
    """NMI of the labels of this epoch and the last, where an epoch has begun that changed them.

    Args:
        memory: of the method, by name, after the step.
        progress: before the step.
    """
    if progress.step == 0 or not progress.begins_epoch:
        return {}
    changed = [part.agreement for part in memory.values() if isinstance(part, _Relabelled)]
    return {"label_nmi": float(changed[0])} if changed else {}


def kin_scores(kin_counts: list[Float[Tensor, "4"]]) -> dict[str, float]:
    """Precision and recall of the kin that rules found in a step; empty where they found none.

    Precision is the share of the weight of found pairs on those that have a label in common,
    recall the share of all pairs with a common label that were found.

    Args:
        kin_counts: of each term, see `ilk.train.loop.kin_counts.kin_counts`.
    """
    if not kin_counts:
        return {}
    found, right, pairs, related = torch.stack(kin_counts).sum(dim=0).tolist()
    out = {"kin_precision": right / found} if found else {}
    return out | ({"kin_recall": pairs / related} if found and related else {})


@dataclass
class CollapseAlarm:
    """Sounds once when features stay bunched together for several checks.

    Args:
        since: step at which the present bad spell began.
        bad: checks in the present bad spell.
        sounded: whether it has sounded already.
    """

    since: int = 0
    bad: int = 0
    sounded: bool = False

    def check(self, step: int, metrics: Mapping[str, float]) -> str | None:
        """An explanation when it sounds, else None."""
        spread = min((v for k, v in metrics.items() if k.endswith("_std")), default=math.inf)
        rank = metrics.get("rankme", math.inf)
        if spread > SPREAD_FLOOR and rank > RANK_FLOOR:
            self.bad = 0
            return None
        if self.bad == 0:
            self.since = step
        self.bad += 1
        if self.bad < PATIENCE or self.sounded:
            return None
        self.sounded = True
        return (
            f"collapse: since step {self.since} all images get nearly the same features "
            f"(spread {spread:.3f} of 1, effective rank {rank:.1f}); a lower lr, a longer "
            f"warm-up or a larger batch_size usually helps, for DINO a lower "
            f"teacher_temperature, for contrastive methods a lower temperature"
        )


def _fullest_student_pass(method: Method, context: Step) -> Pass | None:
    """The first clean pass with the most rows: a view may be of few images alone."""
    shown = [
        entry
        for entry in passes(method)
        if entry.network == "student" and entry.view not in method.mixes
    ]
    return max(shown, key=lambda entry: _rows(entry, context), default=None)


def _rows(entry: Pass, context: Step) -> int:
    return len(context.rows(Output("student", entry.view, "feature")))


def _entropy(weights: Float[Tensor, "Q K"]) -> float:
    return torch.special.entr(weights).sum(dim=1).mean().item()
