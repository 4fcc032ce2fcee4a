"""Signs of learning and of collapse, read off a step."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from ilk.core import NOBODY, Composition, Field, Output, overlap
from ilk.embedding import feature_std, rankme
from ilk.method import Method, is_mixed, passes
from ilk.train.scene import Scene, Verdict

DEEPEST: tuple[Field, ...] = ("projection", "prediction", "scores")
SPREAD_FLOOR = 0.1  # of 1 for rows spread evenly over the sphere
RANK_FLOOR = 2.0
PATIENCE = 3  # checks in a row before the alarm sounds


def signs(method: Method, scene: Scene, labels: Int[Tensor, " N"]) -> dict[str, float]:
    """Spread and effective rank of features, entropy of targets, precision of adopted kin.

    Args:
        method: whose step it was.
        scene: the step.
        labels: of all items of the source, -1 where unknown.
    """
    out: dict[str, float] = {}
    fields = _first_student_fields(method)
    if fields is not None:
        view, names = fields
        feature = scene.rows(Output("student", view, "feature")).vectors.float()
        out["feature_std"] = feature_std(feature)
        out["rankme"] = rankme(feature)
        if deepest := _deepest(names):
            rows = scene.rows(Output("student", view, deepest)).vectors.float()
            out[f"{deepest}_std"] = feature_std(rows)
    entropies = [_entropy(v.kin.weights) for v in scene.verdicts if not v.term.candidates]
    if entropies:
        out["teacher_entropy"] = sum(entropies) / len(entropies)
    precision = kin_precision(scene.verdicts, labels)
    return out if precision is None else out | {"kin_precision": precision}


def kin_precision(verdicts: list[Verdict], labels: Int[Tensor, " N"]) -> float | None:
    """Share of the weight of adopted kin that has the query's label; None without any.

    Adopted are kin that share no source with the query: neighbours, rejected false negatives.
    """
    right = total = 0.0
    labels = labels.to(verdicts[0].kin.weights.device) if verdicts else labels
    for verdict in verdicts:
        if not verdict.term.candidates:
            continue
        queries, candidates = verdict.queries, verdict.candidates
        kin = verdict.kin.weights > 0
        adopted = kin & (overlap(queries.composition, candidates.composition) == 0)
        mine, theirs = (
            _labels(queries.composition, labels),
            _labels(candidates.composition, labels),
        )
        known = adopted & (mine >= 0)[:, None] & (theirs >= 0)[None, :]
        weights = torch.where(known, verdict.kin.weights, 0.0)
        total += weights.sum().item()
        right += weights[mine[:, None] == theirs[None, :]].sum().item()
    return right / total if total > 0 else None


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
            f"collapse: since step {self.since} all pictures get nearly the same features "
            f"(spread {spread:.3f} of 1, effective rank {rank:.1f}); a lower --lr, a longer "
            f"warm-up or a larger --batch-size usually helps, for DINO a lower "
            f"teacher_temperature, for contrastive methods a lower temperature"
        )


def _first_student_fields(method: Method) -> tuple[str, frozenset[Field]] | None:
    for entry in passes(method):
        if entry.network == "student" and not is_mixed(entry.view):
            return entry.view, entry.fields
    return None


def _deepest(names: frozenset[Field]) -> Field | None:
    return next((name for name in DEEPEST if name in names), None)


def _entropy(weights: Float[Tensor, "Q K"]) -> float:
    return torch.special.entr(weights).sum(dim=1).mean().item()


def _labels(composition: Composition, labels: Int[Tensor, " N"]) -> Int[Tensor, " Q"]:
    """The label of each row's only source; -1 for mixtures and rows of unknown origin."""
    first = composition.sources[:, 0]
    alone = (composition.shares[:, 0] == 1) & (first != NOBODY)
    return torch.where(alone, labels[first.clamp(min=0)], -1)
