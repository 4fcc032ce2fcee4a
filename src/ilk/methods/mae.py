"""MAE: a transformer sees a quarter of an image's patches, and the pixels of the others follow.

Paper: He et al., CVPR 2022, https://arxiv.org/abs/2111.06377
Idea: images are so redundant that most patches must be hidden before their prediction asks for
    more than the neighbours' colours. The encoder sees visible patches alone, so that a step
    costs a fraction of one on whole images; a small decoder, which is thrown away, sees mask
    tokens too.
Against SimMIM: mask tokens are seen by the decoder and not by the encoder, and targets are
    normalised patch by patch. Against DINO: no image is compared with another, no colours
    change, and there is no teacher.
Departures: query, key and value layers are initialised each on its own, as in MoCo v3. The
    paper judges by fine-tuning; its linear accuracy is below that of contrastive methods.
Checked: tests/views/test_masks.py, tests/networks/test_masked.py,
    tests/networks/test_decoders.py, tests/oracles, tests/golden/losses.json
"""

from dataclasses import dataclass

from ilk import networks, views
from ilk.core import Output
from ilk.kin import Counterpart
from ilk.method import Given, Head, Method, Mixable, Optimisation, Patches, Term
from ilk.objectives import SquaredDistance


@dataclass(frozen=True, kw_only=True, slots=True)
class MAE:
    """Settings of MAE; defaults are the paper's for ViT-B and 800 epochs of ImageNet."""

    share: float = 0.75  # of the patches that is hidden
    standard: bool = True  # targets have mean 0 and variance 1 in each patch
    decoder_dim: int = 512
    decoder_depth: int = 8  # blocks
    decoder_heads: int = 16
    min_scale: float = 0.2  # smallest area of a crop
    base_lr: float = 1.5e-4  # for a batch of 256
    warmup_epochs: float = 40

    def build(self, given: Given) -> Method:
        """Assemble the parts for a backbone and its images."""
        decoder = networks.TokenDecoder(
            given.place_width,
            given.channels * given.patch**2,
            dim=self.decoder_dim,
            depth=self.decoder_depth,
            heads=self.decoder_heads,
        )
        return Method(
            views=(views.bicubic_crop(given.size, self.min_scale),),
            derived=(
                views.MaskedView(
                    name="masked",
                    view="a",
                    cell=given.patch,
                    masks=views.RandomCells(share=self.share),
                ),
            ),
            heads={"decoder": Head(decoder, on="sequence", mask=True)},
            terms=(
                Term(
                    name="hidden",
                    queries=(Output("student", "masked", "decoder"),),
                    candidates=(Patches(view="a", side=given.patch, standard=self.standard),),
                    kin=Counterpart(),
                    objective=SquaredDistance(),
                    rows="hidden",
                ),
            ),
            prepare=(
                networks.moco_v3_weights,
                networks.dino_class_token,
                networks.fixed_sincos_positions,
            ),
            optimisation=Optimisation(
                name="adamw",
                lr=self.base_lr,
                betas=(0.9, 0.95),
                weight_decay=0.05,
                warmup_epochs=self.warmup_epochs,
            ),
            batch_size=4096,
            mixable=Mixable(queries=("masked",)),
        )
