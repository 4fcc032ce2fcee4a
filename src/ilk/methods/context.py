"""Context: the network predicts where a patch lies beside another one of the same image.

Paper: Doersch, Gupta and Efros, ICCV 2015, https://arxiv.org/abs/1505.05192; in the grid of
    Kolesnikov, Zhai and Beyer, CVPR 2019, https://arxiv.org/abs/1901.09005
Idea: to say in which of eight directions a patch lies from another one, the network must
    recognise the object of both. Each patch goes through the backbone alone; a head on both
    features tells the direction. All eight neighbours of the central patch are asked for.
Against jigsaw: two patches are compared at a time, in the order in which they come.
Departures: dropped channels are set to the mean, where the authors put noise; patches are not
    scaled down and up; the embedding is narrower, and batch norms stand in the head. The
    learning rate follows a cosine, where the authors have none. No reproduction is claimed.
Checked: tests/views/test_tiles.py, tests/oracles, tests/golden/losses.json
"""

from dataclasses import dataclass, replace

from torch import nn

from ilk import networks, views
from ilk.core import Output
from ilk.kin import OwnPlace
from ilk.method import Classes, Given, Head, Method, Mixable, Optimisation, Term
from ilk.objectives import SoftCrossEntropy

NEIGHBOURS = 8


@dataclass(frozen=True, kw_only=True, slots=True)
class Context:
    """Settings of Context; gaps and colours are the paper's, all else Kolesnikov et al.'s."""

    dim: int = 1000  # of each patch's embedding
    hidden: int = 4096
    min_scale: float = 0.76  # smallest area of a crop
    apart: float = 3 / 2  # from one patch to the next, in sides of a patch
    jitter: float = 1 / 7  # largest move of a patch, likewise
    colours: views.Colours = "dropped"  # what is done against aberrations of lenses
    gray: float = 0.0  # probability of grayscale
    base_lr: float = 0.1  # for a batch of 256
    weight_decay: float = 1e-4

    def build(self, given: Given) -> Method:
        """Assemble the parts for a backbone and its images."""
        tiles = views.nine_tiles(
            given.size,
            given.stride,
            view="a",
            apart=self.apart,
            jitter=self.jitter,
            colours=self.colours,
        )
        embedded = networks.mlp(
            given.width, self.dim, self.dim, layers=1, last_batch_norm="affine"
        )
        directions = networks.mlp(2 * self.dim, self.hidden, NEIGHBOURS, layers=2)
        return Method(
            views=(replace(views.weak(tiles.span, self.min_scale, "a"), gray_p=self.gray),),
            derived=(tiles,),
            heads={
                "projector": Head(
                    networks.EachPlace(nn.Sequential(embedded, nn.ReLU())), on="tokens"
                ),
                "pairs": Head(networks.CentrePairs(), on="projector"),
                "classifier": Head(networks.EachPlace(directions), on="pairs"),
            },
            terms=(
                Term(
                    name="clean",
                    queries=(Output("student", tiles.name, "classifier"),),
                    candidates=(Classes(NEIGHBOURS),),
                    kin=OwnPlace(classes=NEIGHBOURS),
                    objective=SoftCrossEntropy(temperature=1.0),
                ),
            ),
            optimisation=Optimisation(
                name="sgd", lr=self.base_lr, weight_decay=self.weight_decay, warmup_epochs=5
            ),
            batch_size=256,
            mixable=Mixable(queries=()),
        )
