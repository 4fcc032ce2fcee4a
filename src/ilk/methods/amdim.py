"""AMDIM: one view of an image should tell the places of another view from other images'.

Paper: Bachman, Hjelm and Buchwalter, NeurIPS 2019, https://arxiv.org/abs/1906.00910
Idea: what two views of an image share is what both show, so that the information of one
    vector of a view has of places of the other is maximised, at two scales, and that of a place
    of the coarse map of all places of the other coarse map.
Against DIM: places are those of another view, and scores stay within bounds. Against SimCLR:
    places are positives beside whole images.
Departures: the encoder is any backbone: the coarse map is its last and the fine one that
    half-way through it, each with at most 8 places a side. The authors' own is the backbone
    ``amdim_mini``, of any width and depth, with 5 and 7 places a side; places of others see
    more of an image, and its borders. Embeddings are not normalised over the batch, and that of
    the whole image has a head too. Scores are clipped at 20, the default of the authors'
    command, where that of their loss is 10. The rate follows a cosine and not steps, the
    decay of weights stands outside Adam, and crops are bilinear, 3:4 to 4:3.
Checked: tests/objectives/test_bounds.py, tests/networks/test_information.py,
    tests/networks/test_unpadded.py, tests/oracles, tests/golden/losses.json
"""

import math
from dataclasses import dataclass

from ilk import networks, views
from ilk.core import Output
from ilk.kin import CommonSource
from ilk.method import Given, Head, Method, Mixable, Optimisation, Term
from ilk.objectives import EachPositive

# Heads of the queries, and of the candidates: 1 to 7, 1 to 5 and 5 to 5 in the paper.
COMPARED = (("whole", "fine"), ("whole", "coarse"), ("drawn", "coarse"))


@dataclass(frozen=True, kw_only=True, slots=True)
class AMDIM:
    """Settings of AMDIM; defaults are the authors' for ImageNet at 128 pixels."""

    dim: int = 1280  # of the embeddings whose products are scores
    clip: float = 20.0  # what no score passes
    penalty: float = 0.05  # of squared scores
    side: int = 8  # most places of a side
    min_scale: float = 0.3  # smallest area of a crop
    lr: float = 2e-4

    def build(self, given: Given) -> Method:
        """Assemble the parts for a backbone and its images."""
        objective = EachPositive(
            temperature=math.sqrt(self.dim), clip=self.clip, penalty=self.penalty
        )
        terms = tuple(
            Term(
                name=f"{query}-{candidate}",
                queries=(Output("student", one, query),),
                candidates=(Output("student", other, candidate),),
                kin=CommonSource(),
                objective=objective,
                weight=0.5,
            )
            for one, other in (("a", "b"), ("b", "a"))
            for query, candidate in COMPARED
        )
        return Method(
            views=views.amdim_pair(given.size, self.min_scale),
            heads={
                "whole": Head(networks.ShortcutHead(given.width, self.dim)),
                "last": Head(networks.FewerPlaces(self.side), on="map"),
                "middle": Head(networks.FewerPlaces(self.side), on="early"),
                "coarse": Head(self._each_place(given.place_width), on="last"),
                "fine": Head(self._each_place(given.early[0]), on="middle"),
                "drawn": Head(networks.DrawnPlace(), on="coarse"),
            },
            terms=terms,
            together="size",
            optimisation=Optimisation(
                name="adamw",
                lr=self.lr,
                scaling="none",
                betas=(0.8, 0.999),
                weight_decay=1e-5,
                warmup_epochs=0.1,
            ),
            batch_size=200,
            mixable=Mixable(queries=("b",), swap=("a", "b")),
        )

    def _each_place(self, width: int) -> networks.EachPlace:
        return networks.EachPlace(networks.ShortcutHead(width, self.dim))
