"""CMSF: mean shift to nearest neighbours that are searched within a constraint.

Paper: Navaneet et al., ECCV 2022, https://arxiv.org/abs/2112.04607
Idea: unconstrained nearest neighbours are already close and teach little. CMSF searches among
    the images that were neighbours one epoch ago under another augmentation, or among images
    of the same label.
Against MSF: constraint=self adds a second term whose search is constrained; constraint=labels
    constrains the only search to images of the same label, wherever a label is known
    (supervised, or semi-supervised with some labels).
Departures: the semi-supervised form uses known labels only, without the authors' classifier
    that makes pseudo-labels. At an image's first visit the constraint uses its present
    embedding, where the authors use noise. The oldest rows of the bank are searched once
    more, where the authors overwrite them first.
Checked: tests/oracles, tests/golden/losses.json
"""

from dataclasses import dataclass, replace
from typing import Literal

from ilk import networks, views
from ilk.core import Output
from ilk.kin import FormerNeighbours, Neighbours, OrElse, SameLabel
from ilk.memory import History, Queue
from ilk.method import (
    EMA,
    FromMemory,
    Given,
    Head,
    Method,
    Mixable,
    Optimisation,
    Remember,
    Term,
)
from ilk.objectives import MeanShift


@dataclass(frozen=True, kw_only=True, slots=True)
class CMSF:
    """Settings of CMSF; defaults are the authors' for ImageNet without labels."""

    constraint: Literal["self", "labels"] = "self"
    hidden: int = 4096
    dim: int = 512
    k: int = 5  # 10 with labels
    constrained_to: int = 5  # the search is among so many neighbours of an epoch ago
    momentum: float = 0.99  # the teacher's moving average
    queue_size: int = 128_000

    def build(self, given: Given) -> Method:
        """Assemble the parts for a backbone and its images."""
        strong = replace(views.moco_v2_pair(given.size)[0], name="strong")
        key = Output("teacher", "weak", "projector")
        free = Neighbours(k=self.k, by=key)
        former = FormerNeighbours(k=self.constrained_to, past="past")
        rules = {
            "self": (replace(free, within=former), free),
            "labels": (OrElse(rule=replace(free, within=SameLabel()), other=free),),
        }[self.constraint]
        terms = tuple(
            Term(
                name="clean",
                queries=(Output("student", "strong", "predictor"),),
                candidates=(key, FromMemory("bank")),
                kin=rule,
                objective=MeanShift(),
                weight=1 / len(rules),
            )
            for rule in rules
        )
        return Method(
            views=views.fitted((strong, views.weak(given.size))),
            heads={
                "projector": Head(networks.mlp(given.width, self.hidden, self.dim, layers=2)),
                "predictor": Head(
                    networks.mlp(self.dim, self.hidden, self.dim, layers=2),
                    on="projector",
                    teacher=False,
                ),
            },
            teacher=EMA(momentum=self.momentum, update="before"),
            terms=terms,
            memory={
                "bank": Queue(self.queue_size, self.dim, keep_sources=True),
                "past": History(self.dim, given.items),
            },
            remember=(Remember("bank", (key,)), Remember("past", (key,))),
            optimisation=Optimisation(
                name="sgd", lr=0.05, weight_decay=1e-4, decay_all=True, warmup_epochs=0
            ),
            batch_size=256,
            mixable=Mixable(queries=("strong",), replace=False, clean=0.5),
            facts={"self": {}, "labels": {"label": 1.0}}[self.constraint],
        )
