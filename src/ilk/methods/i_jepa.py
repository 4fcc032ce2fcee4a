"""I-JEPA: from a part of an image, what a teacher says of other parts; no pixels, no crops.

Paper: Assran et al., CVPR 2023, https://arxiv.org/abs/2301.08243
Idea: a transformer sees a part of one large block of patches. For each of four smaller blocks a
    narrow predictor says, from what was seen and the places that are asked for, what the
    teacher says there, which sees the whole image. Targets are representations, so that
    details need not be predicted, and views are not changed by hand.
Against MAE: targets are a teacher's and not pixels. Against iBOT: distances to representations
    and not classes, no colours change, hidden patches are left out, and blocks are large.
Departures: blocks are drawn as the paper says: scale and aspect apart, every position possible,
    and all images show equally many patches, a random part of their block. The authors' code
    couples scale and aspect, never reaches the last row and column, and drops the bottom of
    large blocks; compat=True draws so. A class token is seen by the predictor, where the
    authors have none (backbone options class_token and global_pool). Weights are not scaled
    by depth, and the rate warms up from zero.
Checked: tests/views/test_masks.py, tests/networks/test_predictors.py,
    tests/train/test_asked.py, tests/oracles, tests/golden/losses.json
"""

from dataclasses import dataclass, replace

from torch import nn

from ilk import networks, views
from ilk.core import Cosine, Line, Output
from ilk.kin import Counterpart
from ilk.method import EMA, Given, Head, Method, Mixable, Optimisation, Term
from ilk.objectives import SmoothDistance


@dataclass(frozen=True, kw_only=True, slots=True)
class IJEPA:
    """Settings of I-JEPA; defaults are the paper's for ViT-H and 300 epochs of ImageNet."""

    predictor_dim: int = 384
    predictor_depth: int = 12  # blocks
    predictor_heads: int = 12
    context: tuple[float, float] = (0.85, 1.0)  # share of the patches in the block to see
    target: tuple[float, float] = (0.15, 0.2)  # and in each block that is asked for
    aspect: tuple[float, float] = (0.75, 1.5)  # height over width of these
    targets: int = 4
    keep: float = 0.25  # share of the block's patches that is seen
    compat: bool = False  # draw blocks as the authors' code does
    min_scale: float = 0.3  # smallest area of a crop
    momentum: float = 0.996  # the teacher's moving average, rising to 1 along a line
    base_lr: float = 1.25e-4  # for a batch of 256
    warmup_epochs: float = 40

    def build(self, given: Given) -> Method:
        """Assemble the parts for a backbone and its images."""
        masks = views.MultiBlock(
            context=self.context,
            target=self.target,
            aspect=self.aspect,
            targets=self.targets,
            keep=self.keep,
            compat=self.compat,
        )
        predictor = networks.PlacePredictor(
            given.place_width,
            dim=self.predictor_dim,
            depth=self.predictor_depth,
            heads=self.predictor_heads,
        )
        plain = nn.LayerNorm(given.place_width, elementwise_affine=False)
        return Method(
            views=(replace(views.weak(given.size, self.min_scale, "a"), flip=0.0),),
            derived=(
                views.MaskedView(
                    name="context", view="a", whole="whole", cell=given.patch, masks=masks
                ),
            ),
            heads={
                "predictor": Head(
                    predictor, on="sequence", mask=True, asked=True, teacher=False
                ),
                "target": Head(plain, on="asked"),
            },
            teacher=EMA(momentum=Line(self.momentum, 1.0)),
            terms=(
                Term(
                    name="places",
                    queries=(Output("student", "context", "predictor"),),
                    candidates=(Output("teacher", "whole", "target"),),
                    kin=Counterpart(),
                    objective=SmoothDistance(beta=1.0),
                ),
            ),
            prepare=(networks.dino_class_token, networks.fixed_sincos_positions),
            optimisation=Optimisation(
                name="adamw",
                lr=self.base_lr,
                end_lr=1e-6,
                weight_decay=Cosine(0.04, 0.4),
                warmup_epochs=self.warmup_epochs,
            ),
            batch_size=2048,
            encoder="teacher",
            mixable=Mixable(queries=("context",)),
        )
