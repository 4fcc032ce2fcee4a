"""Jigsaw: the network predicts in which order it sees the nine tiles of an image.

Paper: Noroozi and Favaro, ECCV 2016, https://arxiv.org/abs/1603.09246; settings for residual
    networks are those of Goyal et al., ICCV 2019, https://arxiv.org/abs/1905.01235
Idea: to put the tiles of an image in their order, the network must know parts of objects and
    how they are arranged. Each tile goes through the backbone alone; a head on all nine
    features tells which of some permutations, far from one another, was applied.
Against context: nine tiles are compared at once, and a class is an order and not a direction.
Departures: neighbouring tiles never touch, where Goyal et al. let them; the axis from green to
    magenta is taken away, where Noroozi and Favaro shift colour channels against one another;
    permutations are chosen by their least distance before the mean one. The learning rate
    follows a cosine, where the authors have steps. No reproduction is claimed.
Checked: tests/views/test_tiles.py, tests/oracles, tests/golden/losses.json
"""

from dataclasses import dataclass, replace

from torch import nn

from ilk import networks, views
from ilk.core import Output
from ilk.kin import OwnTask
from ilk.method import Classes, Given, Head, Method, Mixable, Optimisation, Term
from ilk.objectives import SoftCrossEntropy

TILES = 9


@dataclass(frozen=True, kw_only=True, slots=True)
class Jigsaw:
    """Settings of Jigsaw; defaults are those of Goyal et al. for ImageNet."""

    permutations: int = 100  # orders, the classes
    dim: int = 1000  # of each tile's embedding
    min_scale: float = 0.76  # smallest area of a crop
    apart: float = 4 / 3  # from one tile to the next, in sides of a tile
    jitter: float = 1 / 6  # largest move of a tile, likewise
    colours: views.Colours = "projected"  # what is done against aberrations of lenses
    gray: float = 0.66  # probability of grayscale
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
        each = networks.EachPlace(nn.Sequential(embedded, nn.ReLU()))
        joined = networks.classifier(TILES * self.dim, self.permutations)
        return Method(
            views=(replace(views.weak(tiles.span, self.min_scale, "a"), gray_p=self.gray),),
            derived=(
                tiles,
                views.Shuffled(name="shuffled", view=tiles.name, count=self.permutations),
            ),
            heads={
                "projector": Head(nn.Sequential(each, nn.Flatten()), on="tokens"),
                "classifier": Head(joined, on="projector"),
            },
            terms=(
                Term(
                    name="clean",
                    queries=(Output("student", "shuffled", "classifier"),),
                    candidates=(Classes(self.permutations),),
                    kin=OwnTask(classes=self.permutations),
                    objective=SoftCrossEntropy(temperature=1.0),
                ),
            ),
            optimisation=Optimisation(
                name="sgd", lr=self.base_lr, weight_decay=self.weight_decay, warmup_epochs=5
            ),
            batch_size=256,
            mixable=Mixable(queries=()),
        )
