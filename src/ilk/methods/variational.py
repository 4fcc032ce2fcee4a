"""Variational autoencoder: an image is drawn from a sample of the distribution of its code.

Paper: Kingma and Welling, ICLR 2014, https://arxiv.org/abs/1312.6114
Idea: an encoder gives mean and variance of a normal code, a decoder the image of a sample. The
    lower bound of the likelihood is the squared error of the image, as pixels are normal of
    variance one, and the distance of the code's distribution from N(0, 1).
Against the denoising autoencoder: the noise is in the code and learned, not in the image.
Departures: the encoder is any backbone and the decoder convolutional, where the paper has one
    hidden layer. Both terms are divided by half of the number of values of an image, which
    makes the first one a mean square.
Checked: tests/networks/test_decoders.py, tests/objectives/test_normal.py, tests/oracles,
    tests/golden/losses.json
"""

from dataclasses import dataclass

from torch import nn

from ilk import networks, views
from ilk.core import Output
from ilk.kin import Counterpart, Itself
from ilk.method import Given, Head, Method, Mixable, Optimisation, Patches, Term
from ilk.objectives import SquaredDistance, StandardNormal


@dataclass(frozen=True, kw_only=True, slots=True)
class VariationalAutoencoder:
    """Settings of the variational autoencoder; the paper has none for today's networks."""

    dim: int = 128  # of the code
    beta: float = 1.0  # weight of the prior; above 1 codes are simpler (Higgins et al., 2017)
    noise: float = 1.0  # of a sample, in deviations of its code; 0 draws nothing
    hidden: int = 64  # of the decoder
    min_scale: float = 0.2  # smallest area of a crop
    base_lr: float = 1e-3  # for a batch of 256
    warmup_epochs: float = 5

    def build(self, given: Given) -> Method:
        """Assemble the parts for a backbone and its images."""
        decoder = networks.ImageDecoder(
            self.dim, given.channels, given.size, hidden=self.hidden
        )
        code = Output("student", "a", "code")
        return Method(
            views=(views.weak(given.size, self.min_scale, name="a"),),
            heads={
                "code": Head(nn.Linear(given.width, 2 * self.dim)),
                "sample": Head(networks.Posterior(self.noise), on="code"),
                "decoder": Head(
                    nn.Sequential(decoder, networks.CutPatches(given.size)), on="sample"
                ),
            },
            terms=(
                Term(
                    name="pixels",
                    queries=(Output("student", "a", "decoder"),),
                    candidates=(Patches(view="a", side=given.size),),
                    kin=Counterpart(),
                    objective=SquaredDistance(),
                ),
                Term(
                    name="prior",
                    queries=(code,),
                    candidates=(code,),
                    kin=Itself(),
                    objective=StandardNormal(),
                    weight=2 * self.beta / (given.channels * given.size**2),
                ),
            ),
            optimisation=Optimisation(
                name="adamw",
                lr=self.base_lr,
                weight_decay=0.05,
                warmup_epochs=self.warmup_epochs,
            ),
            batch_size=256,
            mixable=Mixable(queries=("a",)),
        )
