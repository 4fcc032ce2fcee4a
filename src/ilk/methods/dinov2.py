"""DINOv2: iBOT with a head of their own for patches, balanced targets and spread features.

Paper: Oquab et al., 2023, https://arxiv.org/abs/2304.07193
Idea: what many methods found is put together: the loss of DINO between crops, that of iBOT at
    hidden patches, targets balanced over prototypes as in SwAV, and KoLeo, which keeps the
    features of a batch apart. Heads of crops and of patches do not share weights.
Against iBOT: the three last; exactly half of the large crops have a mask, and the shares that
    are hidden are laid out evenly over their range in each batch.
Departures: KoLeo looks for the nearest row of all processes, where the authors' code looks on
    each GPU alone. It sees the feature, which is the class token where the backbone pools so.
    Rates and EMA are those of the authors' long run, without its lower rate of the patch
    embedding, warm-up and drop path those of the short one, and prototypes as many as on
    ImageNet. LayerScale and the size of patches are
    the backbone's. As in the code, the loss of patches is divided by all large crops, with a
    mask or without; masks are laid out for each view. targets="mean" centres as DINO does,
    which is the code's short run.
Checked: tests/views/test_masks.py, tests/train/test_asked.py, tests/objectives/test_spread.py,
    tests/kin/test_assignment.py, tests/oracles, tests/golden/losses.json
"""

from dataclasses import dataclass
from typing import Literal

from ilk import networks, views
from ilk.core import Cosine, KinRule, Output, Ramp
from ilk.kin import Assigned, Sinkhorn
from ilk.memory import Centre
from ilk.method import (
    EMA,
    Given,
    Method,
    Mixable,
    Optimisation,
    Remember,
    crop_and_patch_terms,
    kept_apart,
    large_crops,
)


@dataclass(frozen=True, kw_only=True, slots=True)
class DINOv2:
    """Settings of DINOv2; defaults are the paper's for large transformers."""

    hidden: int = 2048
    dim: int = 384
    patch_dim: int = 256
    prototypes: int = 65_536
    temperature: float = 0.1
    teacher_temperature: float = 0.07
    warmup_teacher_temperature: float = 0.04
    warmup_teacher_epochs: float = 30
    targets: Literal["sinkhorn", "mean"] = "sinkhorn"  # balanced, or less their running mean
    spread: float = 0.1  # weight of KoLeo for each large crop
    momentum: float = 0.994  # the teacher's moving average, rising to 1
    masked: float = 0.5  # share of the large crops of which patches are hidden
    share: tuple[float, float] = (0.1, 0.5)  # of the patches that is hidden there
    local_views: int = 8
    min_local_scale: float = 0.05  # smallest area of a small crop; raised where 5 % is tiny
    last_layer_epochs: float = 1  # the last layers are frozen for so long
    norm_last_layer: bool = False  # whether prototypes have no scale; helps small networks
    drop_path: float = 0.3
    base_lr: float = 1e-4  # for a batch of 256
    warmup_epochs: float = 10

    def build(self, given: Given) -> Method:
        """Assemble the parts for a backbone and its images."""
        small, count = views.local_size(given.size), self.local_views
        scale = (self.min_local_scale, max(self.min_local_scale, 0.32))
        crops = views.dino_multicrop(given.size, small, count, scale, global_scale=(0.32, 1.0))
        masks = views.BlockCells(share=self.share, masked=self.masked, least=4, stratified=True)
        shown = ("m1", "m2", *(crop.name for crop in crops[2:]))
        terms = crop_and_patch_terms(
            shown, self._targets, prototypes=self.prototypes, temperature=self.temperature
        )
        features = [Output("student", name, "feature") for name in shown[:2]]
        heads = networks.crop_and_patch_heads(
            given.width,
            given.patch_width,
            self.prototypes,
            hidden=self.hidden,
            dim=self.dim,
            patch_dim=self.patch_dim,
            learn_scale=not self.norm_last_layer,
            freeze_epochs=self.last_layer_epochs,
        )
        means = ("prototypes", "patch_prototypes") if self.targets == "mean" else ()
        return Method(
            views=views.fitted(crops),
            derived=views.masked_crops(masks, given.patch),
            heads=heads,
            teacher=EMA(momentum=Cosine(self.momentum, 1.0)),
            terms=(*terms, *kept_apart(features, self.spread)),
            memory={name: Centre(self.prototypes) for name in means},
            remember=tuple(Remember(name, large_crops(name)) for name in means),
            drop_path=self.drop_path,
            prepare=(networks.dino_class_token,),
            together="all",
            optimisation=Optimisation(
                name="adamw",
                lr=self.base_lr,
                scaling="sqrt",
                end_lr=1e-6,
                weight_decay=Cosine(0.04, 0.2),
                warmup_epochs=self.warmup_epochs,
                clip=3.0,
            ),
            batch_size=3072,
            encoder="teacher",
            mixable=Mixable.of_crops(shown, share=1 / (2 + 2 * self.spread)),
        )

    def _targets(self, own: Output, other: Output, shares: KinRule) -> KinRule:
        low, high = self.warmup_teacher_temperature, self.teacher_temperature
        sharp = Ramp(low, high, self.warmup_teacher_epochs)
        if self.targets == "mean":
            return Assigned(by=own, temperature=sharp, centre=own.head, shares=shares)
        return Sinkhorn(by=own, beside=(other,), epsilon=sharp, shares=shares)
