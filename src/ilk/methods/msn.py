"""MSN: crops of which patches are left out predict the prototypes of another, whole crop.

Paper: Assran et al., ECCV 2022, https://arxiv.org/abs/2204.07141 (Masked Siamese Networks)
Idea: what is left of an image should say what the whole says, so that features hold what most
    patches share and not their details. The teacher's probabilities over prototypes are
    sharpened, and those of the student have to be spread evenly over all prototypes.
Against DINO: patches are left out, targets come from one large crop, prototypes are the
    student's alone, and the entropy of the mean prediction takes the place of centring. Against
    iBOT: nothing is predicted of single patches. Against MAE: no pixels, and most patches stay.
Departures: each image has a mask of its own, where the authors leave the same patches out of
    all of a process. Targets are balanced from the sums of prototypes on, where the authors
    divide each row by its sum before. Schedules end with the run, where theirs would end after
    1.25 of it; the warm-up begins at zero, prototypes decay as other matrices do, and gradients
    are clipped one parameter at a time, as in DINO. No reproduction is claimed.
Checked: tests/objectives/test_entropy.py, tests/kin/test_assignment.py, tests/oracles,
    tests/golden/losses.json
"""

from dataclasses import dataclass, replace

from ilk import networks, views
from ilk.core import Cosine, Line, Output
from ilk.kin import Sinkhorn
from ilk.method import EMA, Classes, Given, Head, Method, Mixable, Optimisation, Term
from ilk.objectives import MeanEntropy, SoftCrossEntropy


@dataclass(frozen=True, kw_only=True, slots=True)
class MSN:
    """Settings of MSN; defaults are the authors' for ViT-S and 800 epochs of ImageNet."""

    hidden: int = 2048
    dim: int = 256
    prototypes: int = 1024
    temperature: float = 0.1
    sharpening: float = 0.25  # what the temperature of targets is a share of
    spread: float = 1.0  # weight of the entropy of the mean prediction
    masked: float = 0.15  # share of a large crop's patches that is left out
    momentum: float = 0.996  # the teacher's moving average, rising to 1 along a line
    min_scale: float = 0.3  # smallest area of a large crop
    local_views: int = 10
    min_local_scale: float = 0.05  # smallest area of a small crop; raised where 5 % is tiny
    base_lr: float = 2.5e-4  # for a batch of 256
    warmup_epochs: float = 15

    def build(self, given: Given) -> Method:
        """Assemble the parts for a backbone and its images."""
        target = replace(views.moco_v2_pair(given.size, self.min_scale)[0], name="target")
        local = replace(
            target,
            size=views.local_size(given.size),
            scale=(self.min_local_scale, max(self.min_local_scale, 0.3)),
        )
        crops = [replace(local, name=f"l{number + 1}") for number in range(self.local_views)]
        anchors = ("masked", *(crop.name for crop in crops))
        said = tuple(Output("student", name, "prototypes") for name in anchors)
        targets = Sinkhorn(
            by=Output("teacher", "target", "projector"),
            head="prototypes",
            epsilon=self.temperature * self.sharpening,
        )
        objectives = {  # the second counts every row, whatever its targets
            "clean": (SoftCrossEntropy(temperature=self.temperature), 1.0),
            "spread": (MeanEntropy(temperature=self.temperature), self.spread),
        }
        terms = tuple(
            Term(
                name=name,
                queries=said,
                candidates=(Classes(self.prototypes),),
                kin=targets,
                objective=objective,
                weight=weight,
            )
            for name, (objective, weight) in objectives.items()
        )
        return Method(
            views=views.fitted((target, replace(target, name="large"), *crops)),
            derived=(
                views.MaskedView(
                    name="masked",
                    view="large",
                    cell=given.patch,
                    masks=views.RandomCells(share=self.masked),
                ),
            ),
            heads={
                "projector": Head(
                    networks.dino_head(given.width, self.hidden, self.dim, batch_norm=True)
                ),
                "prototypes": Head(
                    networks.Prototypes(self.dim, self.prototypes),
                    on="projector",
                    teacher=False,
                ),
            },
            teacher=EMA(momentum=Line(self.momentum, 1.0)),
            terms=terms,
            prepare=(networks.dino_class_token,),
            together="size",
            optimisation=Optimisation(
                name="adamw",
                lr=self.base_lr,
                end_lr=1e-6,
                weight_decay=Cosine(0.04, 0.4),
                warmup_epochs=self.warmup_epochs,
                clip=3.0,
            ),
            batch_size=1024,
            encoder="teacher",
            mixable=Mixable.of_crops(("target", *anchors)),
        )
