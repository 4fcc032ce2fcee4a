"""iBOT: DINO, whose student also says of hidden patches what the teacher sees there.

Paper: Zhou et al., ICLR 2022, https://arxiv.org/abs/2111.07832
Idea: masked image modelling needs a tokenizer, and the teacher of self-distillation is one
    that learns on line. Blocks of patches are hidden from the student; its token of a hidden
    patch predicts the class probabilities of the teacher, which sees the whole crop, at the
    same place. One head serves images and patches.
Against DINO: patches of large crops have targets too, and the student sees these crops with a
    part hidden; without masks it is DINO. Against MAE: targets are classes and not pixels.
Departures: the centre of patches is the mean over hidden ones, as in DINOv2's code, where the
    authors take all. The share that is hidden is met exactly, and masks start with the first
    step. The teacher's temperature rises with every step.
Checked: tests/views/test_masks.py, tests/train/test_asked.py, tests/oracles,
    tests/golden/losses.json
"""

from dataclasses import dataclass

from ilk import networks, views
from ilk.core import Cosine, Ramp
from ilk.kin import Assigned
from ilk.memory import Centre
from ilk.method import (
    EMA,
    Given,
    Method,
    Mixable,
    Optimisation,
    Remember,
    crop_and_patch_terms,
    large_crops,
)


@dataclass(frozen=True, kw_only=True, slots=True)
class IBOT:
    """Settings of iBOT; defaults are the paper's for 800 epochs of ViT-S on ImageNet."""

    hidden: int = 2048
    dim: int = 256
    prototypes: int = 8192
    temperature: float = 0.1
    teacher_temperature: float = 0.07
    warmup_teacher_temperature: float = 0.04
    warmup_teacher_epochs: float = 30
    momentum: float = 0.996  # the teacher's moving average, rising to 1
    masked: float = 0.5  # share of the large crops of which patches are hidden
    share: tuple[float, float] = (0.1, 0.5)  # of the patches that is hidden there
    patch_weight: float = 1.0  # of the loss of patches beside that of crops
    local_views: int = 10
    min_local_scale: float = 0.05  # smallest area of a small crop; raised where 5 % is tiny
    last_layer_epochs: float = 1  # the last layer is frozen for so long
    norm_last_layer: bool = False  # whether prototypes have no scale; helps small networks
    drop_path: float = 0.1
    base_lr: float = 5e-4  # for a batch of 256
    warmup_epochs: float = 10

    def build(self, given: Given) -> Method:
        """Assemble the parts for a backbone and its images."""
        small, count = views.local_size(given.size), self.local_views
        scale = (self.min_local_scale, max(self.min_local_scale, 0.25))
        crops = views.dino_multicrop(given.size, small, count, scale, global_scale=(0.25, 1.0))
        least = views.least_block(given.size, given.patch)
        masks = views.BlockCells(share=self.share, masked=self.masked, least=least)
        shown = ("m1", "m2", *(crop.name for crop in crops[2:]))
        sharpening = Ramp(
            self.warmup_teacher_temperature,
            self.teacher_temperature,
            self.warmup_teacher_epochs,
        )
        terms = crop_and_patch_terms(
            shown,
            lambda own, _, shares: Assigned(
                by=own, temperature=sharpening, centre=own.head, shares=shares
            ),
            prototypes=self.prototypes,
            temperature=self.temperature,
            patch_weight=self.patch_weight,
        )
        heads = networks.crop_and_patch_heads(
            given.width,
            given.patch_width,
            self.prototypes,
            hidden=self.hidden,
            dim=self.dim,
            patch_dim=None,
            learn_scale=not self.norm_last_layer,
            freeze_epochs=self.last_layer_epochs,
        )
        names = ("prototypes", "patch_prototypes")
        return Method(
            views=views.fitted(crops),
            derived=views.masked_crops(masks, given.patch),
            heads=heads,
            teacher=EMA(momentum=Cosine(self.momentum, 1.0)),
            terms=terms,
            memory={name: Centre(self.prototypes) for name in names},
            remember=tuple(Remember(name, large_crops(name)) for name in names),
            drop_path=self.drop_path,
            prepare=(networks.dino_class_token,),
            together="all",
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
            mixable=Mixable.of_crops(shown, share=1 / (1 + self.patch_weight)),
        )
