"""DINO: every crop predicts the teacher's class probabilities of a large crop.

Paper: Caron et al., ICCV 2021, https://arxiv.org/abs/2104.14294
Idea: this is self-distillation over many classes without labels. Centring keeps one class
    from dominating, and sharpening keeps the probabilities from becoming uniform.
Against MoCo v3: the targets are probabilities over classes, not keys of images; small crops
    are further queries.
Departures: the teacher's temperature rises with every step, where the authors raise it once
    an epoch.
Checked: tests/oracles, tests/golden/losses.json; accuracy: make mini.
"""

from dataclasses import dataclass

from ilk import networks, views
from ilk.core import Cosine, Output, Ramp
from ilk.kin import Assigned
from ilk.memory import Centre
from ilk.method import (
    EMA,
    Classes,
    Given,
    Head,
    Method,
    Mixable,
    Optimisation,
    Remember,
    Term,
)
from ilk.objectives import SoftCrossEntropy


@dataclass(frozen=True, kw_only=True, slots=True)
class DINO:
    """Settings of DINO; defaults are the paper's for 300 epochs of ViT-S on ImageNet."""

    hidden: int = 2048
    dim: int = 256
    batch_norm: bool = False  # in the projector; helps small backbones out of the first plateau
    prototypes: int = 65_536
    temperature: float = 0.1
    teacher_temperature: float = 0.07
    warmup_teacher_temperature: float = 0.04
    warmup_teacher_epochs: float = 30
    centre_momentum: float = 0.9
    momentum: float = 0.996  # the teacher's moving average, rising to 1
    local_views: int = 8
    min_local_scale: float = 0.05  # smallest area of a small crop; raised where 5 % is tiny
    last_layer_epochs: float = 1  # the last layer is frozen for so long
    norm_last_layer: bool = False  # True for runs of 100 epochs
    drop_path: float = 0.1
    base_lr: float = 5e-4  # for a batch of 256
    warmup_epochs: float = 10
    clip: float = 3.0

    def build(self, given: Given) -> Method:
        """Assemble the parts for a backbone and its images."""
        small = views.local_size(given.size)
        crops = views.fitted(
            views.dino_multicrop(
                given.size, small, self.local_views, (self.min_local_scale, 0.4)
            )
        )
        names = tuple(crop.name for crop in crops)
        sharpening = Ramp(
            self.warmup_teacher_temperature,
            self.teacher_temperature,
            self.warmup_teacher_epochs,
        )
        teachers = {g: Output("teacher", g, "prototypes") for g in ("g1", "g2")}
        terms = tuple(
            Term(
                name="clean",
                queries=tuple(Output("student", n, "prototypes") for n in names if n != g),
                candidates=(Classes(self.prototypes),),
                kin=Assigned(by=by, temperature=sharpening, centre="centre"),
                objective=SoftCrossEntropy(temperature=self.temperature),
                weight=0.5,
            )
            for g, by in teachers.items()
        )
        return Method(
            views=crops,
            heads={
                "projector": Head(
                    networks.dino_head(
                        given.width, self.hidden, self.dim, batch_norm=self.batch_norm
                    )
                ),
                "prototypes": Head(
                    networks.Prototypes(
                        self.dim, self.prototypes, learn_scale=not self.norm_last_layer
                    ),
                    on="projector",
                    freeze_epochs=self.last_layer_epochs,
                ),
            },
            teacher=EMA(momentum=Cosine(self.momentum, 1.0), update="after"),
            terms=terms,
            memory={"centre": Centre(self.prototypes, momentum=self.centre_momentum)},
            remember=(Remember("centre", tuple(teachers.values())),),
            drop_path=self.drop_path,
            prepare=(networks.dino_class_token,),
            together="all",
            optimisation=Optimisation(
                name="adamw",
                lr=self.base_lr,
                end_lr=1e-6,
                weight_decay=Cosine(0.04, 0.4),
                warmup_epochs=self.warmup_epochs,
                clip=self.clip,
            ),
            batch_size=1024,
            encoder="teacher",
            mixable=Mixable.of_crops(names),
        )
