"""Colorization: the colours of a grey image are predicted, each place among some hundred bins.

Paper: Zhang, Isola and Efros, ECCV 2016, https://arxiv.org/abs/1603.08511
Idea: to know the colour of a thing one must know what it is. Several colours may be right, of
    which a mean would be brown; so colours are classes, and rare ones count more.
Against inpainting: all places are seen, and what is hidden is a channel; classes, not pixels.
Departures: the network is shown the brightness in all three channels, so that it reads colour
    images afterwards, where the authors' has one channel of lightness. The prior of colours is
    a fixed one, falling with chroma as measured on CIFAR-10, where the authors measure
    ImageNet's. Bins are all squares of ten by ten in which sRGB has a colour. Each place of the
    backbone's map is enlarged to a quarter of the image's resolution, the paper's, by a linear
    layer; the authors' network keeps that resolution. AdamW, where they have Adam.
Checked: tests/kin/test_colours.py, tests/views/test_noisy.py, tests/oracles,
    tests/golden/losses.json
"""

from dataclasses import dataclass

from torch import nn

from ilk import networks, views
from ilk.core import Output
from ilk.kin import OwnColour, colour_bins
from ilk.method import Classes, Given, Head, Method, Mixable, Optimisation, Term
from ilk.objectives import SoftCrossEntropy

CELL = 4  # pixels of a place whose colour is predicted


@dataclass(frozen=True, kw_only=True, slots=True)
class Colorization:
    """Settings of colorization; defaults but for optimisation are the paper's."""

    nearest: int = 5  # bins that share a colour
    deviation: float = 5.0  # of the Gaussian that shares it
    uniform: float = 0.5  # share of the uniform distribution in the prior of colours
    hidden: int = 64  # width of a place before its scores
    min_scale: float = 0.2  # smallest area of a crop
    base_lr: float = 1e-3  # for a batch of 256
    warmup_epochs: float = 5

    def build(self, given: Given) -> Method:
        """Assemble the parts for a backbone and its images."""
        bins = len(colour_bins())
        times = max(given.stride // CELL, 1)
        return Method(
            views=(views.weak(given.size, self.min_scale, name="a"),),
            derived=(views.GreyView(name="grey", view="a"),),
            heads={
                "places": Head(
                    networks.Enlarge(given.place_width, self.hidden, times), on="map"
                ),
                "colours": Head(
                    networks.EachPlace(nn.Sequential(nn.GELU(), nn.Linear(self.hidden, bins))),
                    on="places",
                ),
            },
            terms=(
                Term(
                    name="colours",
                    queries=(Output("student", "grey", "colours"),),
                    candidates=(Classes(bins),),
                    kin=OwnColour(
                        view="a",
                        nearest=self.nearest,
                        deviation=self.deviation,
                        uniform=self.uniform,
                    ),
                    objective=SoftCrossEntropy(temperature=1.0),
                ),
            ),
            optimisation=Optimisation(
                name="adamw",
                lr=self.base_lr,
                weight_decay=1e-3,
                warmup_epochs=self.warmup_epochs,
            ),
            batch_size=256,
            mixable=Mixable(queries=("grey",)),
        )
