"""SimMIM: the pixels of hidden squares are predicted by a linear layer on any backbone.

Paper: Xie et al., CVPR 2022, https://arxiv.org/abs/2111.09886
Idea: squares of 32 px, larger than a patch, are hidden by a mask token, and the absolute
    difference of raw pixels is lowered there. Neither a decoder nor a design of targets is
    needed.
Against MAE: the encoder sees mask tokens, so it may be of any kind, hierarchical or
    convolutional, at the full cost of an image.
Departures: a unit is the divisor of the grid of patches that is nearest to a seventh of the
    image, which is 32 px of 224. Where a backbone embeds no patches, the token is a colour. The
    rate falls along a cosine, where the authors lower it once, and positions are the
    backbone's own.
Checked: tests/views/test_masks.py, tests/networks/test_masked.py,
    tests/networks/test_decoders.py, tests/oracles, tests/golden/losses.json
"""

from dataclasses import dataclass

from ilk import networks, views
from ilk.core import Output
from ilk.kin import Counterpart
from ilk.method import Given, Head, Method, Mixable, Optimisation, Patches, Term
from ilk.objectives import SmoothDistance


@dataclass(frozen=True, kw_only=True, slots=True)
class SimMIM:
    """Settings of SimMIM; defaults are the paper's for ViT-B and 800 epochs of ImageNet."""

    share: float = 0.6  # of the units that is hidden
    min_scale: float = 0.67  # smallest area of a crop
    drop_path: float = 0.1
    base_lr: float = 5e-5  # for a batch of 256
    warmup_epochs: float = 10

    def build(self, given: Given) -> Method:
        """Assemble the parts for a backbone and its images."""
        masks = views.RandomCells(
            share=self.share, unit=views.mask_unit(given.size, given.patch)
        )
        return Method(
            views=(views.weak(given.size, self.min_scale, name="a"),),
            derived=(views.MaskedView(name="masked", view="a", cell=given.patch, masks=masks),),
            heads={
                "mask_token": Head(networks.MaskToken(given.patch_width), on="hidden"),
                "pixels": Head(
                    networks.Enlarge(given.place_width, given.channels, given.stride), on="map"
                ),
                "patches": Head(networks.CutPatches(given.patch), on="pixels"),
            },
            terms=(
                Term(
                    name="hidden",
                    queries=(Output("student", "masked", "patches"),),
                    candidates=(Patches(view="a", side=given.patch),),
                    kin=Counterpart(),
                    objective=SmoothDistance(),
                    rows="hidden",
                ),
            ),
            drop_path=self.drop_path,
            optimisation=Optimisation(
                name="adamw",
                lr=self.base_lr,
                weight_decay=0.05,
                warmup_epochs=self.warmup_epochs,
                clip=5.0,
            ),
            batch_size=2048,
            mixable=Mixable(queries=("masked",)),
        )
