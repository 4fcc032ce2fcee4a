"""MoCo v3: the other view's key is the positive, all other keys of the batch are negatives.

Paper: Chen, Xie and He, ICCV 2021, https://arxiv.org/abs/2104.02057
Idea: this is momentum contrast without a queue. A patch projection that is never trained
    makes it stable for vision transformers.
Against SimCLR: a teacher computes the keys, and the queries pass through a predictor.
Departures: none known. `vit_small` has 12 heads in the paper: --backbone-set num_heads=12.
    ResNets have a recipe of their own, --set recipe=resnet, which is the paper's for 300
    epochs of ResNet-50. For 100 epochs the paper has base_lr=0.6; for 1000, momentum=0.996
    weight_decay=1.5e-6.
Checked: tests/oracles, tests/golden/losses.json; accuracy: make mini.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

from ilk import networks, views
from ilk.core import Cosine, Output
from ilk.kin import CommonSource
from ilk.method import EMA, Given, Head, Method, Mixable, Optimisation, Term
from ilk.objectives import SoftCrossEntropy


@dataclass(frozen=True, kw_only=True, slots=True)
class MoCoV3:
    """Settings of MoCo v3; defaults are the paper's for vision transformers on ImageNet.

    `RECIPES` has those for ResNets.
    """

    hidden: int = 4096
    dim: int = 256
    projector_layers: int = 3
    predictor_norm: bool = True  # batch norm after the predictor's last layer
    temperature: float = 0.2
    momentum: float = 0.99  # the teacher's moving average, rising to 1
    min_scale: float = 0.08  # smallest area of a crop
    hue: float = 0.1  # largest change of hue, as a share of the colour circle
    solarize: float = 0.2  # probability, for one of the two views
    optimiser: Literal["adamw", "sgd", "lars"] = "adamw"
    base_lr: float = 1.5e-4  # for a batch of 256
    weight_decay: float = 0.1
    warmup_epochs: float = 40

    def build(self, given: Given) -> Method:
        """Assemble the parts for a backbone and its images."""
        terms = tuple(
            Term(
                name="clean",
                queries=(Output("student", query, "predictor"),),
                candidates=(Output("teacher", key, "projector"),),
                kin=CommonSource(),
                objective=SoftCrossEntropy(temperature=self.temperature),
                weight=2 * self.temperature,
            )
            for query, key in (("a", "b"), ("b", "a"))
        )
        return Method(
            views=views.fitted(
                views.byol_pair(
                    given.size, self.min_scale, self.hue, self.solarize, "bilinear"
                )
            ),
            heads={
                "projector": Head(networks.mlp(
                    given.width, self.hidden, self.dim,
                    layers=self.projector_layers, bias=False, last_batch_norm="plain",
                )),
                "predictor": Head(networks.mlp(
                    self.dim, self.hidden, self.dim, layers=2, bias=False,
                    last_batch_norm="plain" if self.predictor_norm else None,
                ), on="projector", teacher=False),
            },
            teacher=EMA(momentum=Cosine(self.momentum, 1.0), update="before"),
            terms=terms,
            prepare=(networks.moco_v3_stem,),
            optimisation=Optimisation(
                name=self.optimiser,
                lr=self.base_lr,
                weight_decay=self.weight_decay,
                decay_all=True,
                warmup_epochs=self.warmup_epochs,
            ),
            batch_size=4096,
            mixable=Mixable(queries=("b",), swap=("a", "b")),
        )  # fmt: skip


RECIPES: Mapping[str, MoCoV3] = {
    "vit": MoCoV3(),
    "resnet": replace(
        MoCoV3(),
        projector_layers=2,
        predictor_norm=False,
        temperature=1.0,
        min_scale=0.2,
        optimiser="lars",
        base_lr=0.3,
        weight_decay=1e-6,
        warmup_epochs=10,
    ),
}
