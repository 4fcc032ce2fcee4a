"""Distillation: a small network learns to predict the feature of a trained, frozen one.

Paper: Navaneet et al. (SimReg), BMVC 2021, https://arxiv.org/abs/2201.05131
Idea: teacher and student see the same weakly augmented view, and the student regresses the
    teacher's feature. A deep head does it and is thrown away, so that the student's own feature
    need not resemble the teacher's. The loss is the squared distance of unit vectors.
Against ReKD: no image is compared with another, so there are no negatives and no queue; as the
    authors report, plain regression with a deep head learns no less than similarities to a
    queue (SEED, Fang et al., ICLR 2021; CompRess, Koohpayegani et al., NeurIPS 2020).
Departures: teacher and student get images of their own sizes, each normalised as it was
    trained. The learning rate follows a cosine. No reproduction is claimed.
Checked: tests/networks/test_pretrained_teacher.py, tests/laws/test_distill.py, tests/oracles,
    tests/golden/losses.json
"""

from dataclasses import dataclass

from ilk import networks, views
from ilk.core import Output
from ilk.kin import CommonSource
from ilk.method import Given, Head, Method, Mixable, Optimisation, Pretrained, Term
from ilk.objectives import MeanShift


@dataclass(frozen=True, kw_only=True, slots=True)
class Distill:
    """Settings of distillation; defaults but for the teacher are the authors'."""

    teacher: str = "timm:vit_small_patch16_224.dino"  # or a run, NAME@FILE, a hub folder
    min_scale: float = 0.2  # smallest area of a crop
    base_lr: float = 0.05  # for a batch of 256
    weight_decay: float = 1e-4

    def build(self, given: Given) -> Method:
        """Assemble the parts for a backbone and its images."""
        width, dim = given.width, networks.feature_dim(self.teacher)
        return Method(
            views=(views.weak(given.size, self.min_scale, name="a"),),
            heads={
                "projector": Head(networks.mlp(width, 2 * width, width, layers=2)),
                "predictor": Head(
                    networks.mlp(width, 2 * width, dim, layers=2), on="projector"
                ),
            },
            teacher=Pretrained(self.teacher),
            terms=(
                Term(
                    name="clean",
                    queries=(Output("student", "a", "predictor"),),
                    candidates=(Output("teacher", "a", "feature"),),
                    kin=CommonSource(),
                    objective=MeanShift(),
                ),
            ),
            optimisation=Optimisation(
                name="sgd",
                lr=self.base_lr,
                weight_decay=self.weight_decay,
                decay_all=True,
                warmup_epochs=0,
            ),
            batch_size=256,
            mixable=Mixable(queries=("a",), replace=False, clean=0.5),
        )
