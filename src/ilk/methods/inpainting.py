"""Inpainting: what was cut out of an image is drawn from one vector of what is left.

Paper: Pathak et al. (context encoders), CVPR 2016, https://arxiv.org/abs/1604.07379
Idea: to fill a hole one must understand what stands around it. Blocks with a quarter of the
    image are replaced by the mean colour, and the squared error is lowered there alone.
Against MAE: everything passes through one vector, and blocks are cut out of pixels, so that any
    network learns. Against SimMIM: fewer and larger holes, and no linear decoder.
Departures: the encoder is any backbone and the decoder convolutional, without the channel-wise
    layer between them. Holes are rectangles on a grid, which the paper calls random blocks;
    there is no border in which errors count ten times, which it has for the central hole. The
    adversary is off at first, as for the features of the paper's section 4.2: it makes fills
    sharper and did not help features. It sees whole images, and learns through one reversed
    gradient; the paper moves both sides in turn.
Checked: tests/views/test_masks.py, tests/networks/test_masked.py,
    tests/networks/test_decoders.py, tests/oracles, tests/golden/losses.json
"""

from dataclasses import dataclass

from ilk import networks, views
from ilk.core import Output
from ilk.kin import Counterpart, OwnPlace
from ilk.method import Classes, Given, Head, Method, Mixable, Optimisation, Patches, Term
from ilk.objectives import SoftCrossEntropy, SquaredDistance


@dataclass(frozen=True, kw_only=True, slots=True)
class Inpainting:
    """Settings of inpainting; share and blocks are the paper's."""

    share: float = 0.25  # of the image that is cut out
    adversary: float = 0.0  # weight of one that tells drawn images from real; the paper's 0.001
    least: int = 4  # cells of a block; a cell is near an eighth of the image wide
    hidden: int = 64  # of the decoder
    min_scale: float = 0.2  # smallest area of a crop
    base_lr: float = 1e-3  # for a batch of 256
    warmup_epochs: float = 5

    def build(self, given: Given) -> Method:
        """Assemble the parts for a backbone and its images."""
        decoder = networks.ImageDecoder(
            given.width, given.channels, given.size, hidden=self.hidden
        )
        critic = Head(
            networks.Critic(given.channels, max(self.hidden // 2, 1)),
            on="drawn",
            reverse=1.0,
            mask=True,
            pixels=True,
        )
        against = Term(
            name="adversary",
            queries=(Output("student", "cut", "critic"),),
            candidates=(Classes(2),),
            kin=OwnPlace(classes=2),
            objective=SoftCrossEntropy(temperature=1.0),
            weight=self.adversary,
        )
        used = self.adversary > 0
        masks = views.BlockCells(share=(self.share, self.share), least=self.least)
        return Method(
            views=(views.weak(given.size, self.min_scale, name="a"),),
            derived=(views.MaskedView(name="cut", view="a", cell=given.patch, masks=masks),),
            heads={
                "hole": Head(networks.MaskToken(given.patch_width, learns=False), on="hidden"),
                "drawn": Head(decoder),
                "decoder": Head(networks.CutPatches(given.patch), on="drawn"),
                **({"critic": critic} if used else {}),
            },
            terms=(
                Term(
                    name="hidden",
                    queries=(Output("student", "cut", "decoder"),),
                    candidates=(Patches(view="a", side=given.patch),),
                    kin=Counterpart(),
                    objective=SquaredDistance(),
                    rows="hidden",
                    weight=1 - self.adversary,
                ),
                *((against,) if used else ()),
            ),
            optimisation=Optimisation(
                name="adamw",
                lr=self.base_lr,
                weight_decay=0.05,
                warmup_epochs=self.warmup_epochs,
            ),
            batch_size=256,
            mixable=Mixable(queries=("cut",)),
        )
