"""Denoising autoencoder: the image is to be found again in one vector of its noisy copy.

Paper: Vincent et al., JMLR 2010, https://jmlr.org/papers/v11/vincent10a.html
Idea: a code from which an image can be drawn must hold what is in it; noise keeps it from being
    a copy of pixels, since what is to be drawn must be kept apart from what was added.
Against MAE: everything is decoded from one vector, pixels are disturbed and not hidden, and the
    loss is over the whole image. Against VAE: codes have no distribution.
Departures: the encoder is any backbone and the decoder convolutional, trained at once; the
    paper stacks layers and trains them one by one.
Checked: tests/views/test_noisy.py, tests/networks/test_decoders.py, tests/oracles,
    tests/golden/losses.json
"""

from dataclasses import dataclass

from torch import nn

from ilk import networks, views
from ilk.core import Output
from ilk.kin import Counterpart
from ilk.method import Given, Head, Method, Mixable, Optimisation, Patches, Term
from ilk.objectives import SquaredDistance


@dataclass(frozen=True, kw_only=True, slots=True)
class DenoisingAutoencoder:
    """Settings of the denoising autoencoder; the paper has none for today's networks."""

    noise: float = 0.5  # standard deviation, in those of the data
    erased: float = 0.25  # share of the pixels
    hidden: int = 64  # of the decoder
    min_scale: float = 0.2  # smallest area of a crop
    base_lr: float = 1e-3  # for a batch of 256
    warmup_epochs: float = 5

    def build(self, given: Given) -> Method:
        """Assemble the parts for a backbone and its images."""
        decoder = networks.ImageDecoder(
            given.width, given.channels, given.size, hidden=self.hidden
        )
        return Method(
            views=(views.weak(given.size, self.min_scale, name="a"),),
            derived=(
                views.NoisyView(name="noisy", view="a", noise=self.noise, erased=self.erased),
            ),
            heads={"decoder": Head(nn.Sequential(decoder, networks.CutPatches(given.size)))},
            terms=(
                Term(
                    name="pixels",
                    queries=(Output("student", "noisy", "decoder"),),
                    candidates=(Patches(view="a", side=given.size),),
                    kin=Counterpart(),
                    objective=SquaredDistance(),
                ),
            ),
            optimisation=Optimisation(
                name="adamw",
                lr=self.base_lr,
                weight_decay=0.05,
                warmup_epochs=self.warmup_epochs,
            ),
            batch_size=256,
            mixable=Mixable(queries=("noisy",)),
        )
