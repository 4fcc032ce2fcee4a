"""NNCLR: the nearest neighbour of one view in a queue is the positive of the other view.

Paper: Dwibedi et al., ICCV 2021, https://arxiv.org/abs/2104.14548
Idea: a neighbour takes the place of the image's own view, so positives differ by more than
    augmentation can change.
Against SimCLR: keys are replaced by their nearest neighbours in a queue; the queries pass
    through a predictor.
Departures: the views are BYOL's; the paper's crops and colours were not confirmed.
Checked: tests/oracles, tests/golden/losses.json
"""

from dataclasses import dataclass

from ilk import networks, views
from ilk.core import Output
from ilk.kin import CommonSource
from ilk.memory import Queue
from ilk.method import (
    Given,
    Head,
    Method,
    Mixable,
    NearestNeighbour,
    Optimisation,
    Remember,
    Term,
)
from ilk.objectives import SoftCrossEntropy


@dataclass(frozen=True, kw_only=True, slots=True)
class NNCLR:
    """Settings of NNCLR; defaults are the paper's for ImageNet."""

    hidden: int = 2048
    dim: int = 256
    predictor_hidden: int = 4096
    temperature: float = 0.1
    queue_size: int = 98_304

    def build(self, given: Given) -> Method:
        """Assemble the parts for a backbone and its images."""
        seen = {v: Output("student", v, "projector", stopped=True) for v in ("a", "b")}
        guess = {v: Output("student", v, "predictor") for v in ("a", "b")}
        pairs = [
            pair
            for x, y in (("a", "b"), ("b", "a"))
            for pair in (
                (NearestNeighbour(seen[x], "queue"), guess[y]),  # Eq. 4
                (guess[y], NearestNeighbour(seen[x], "queue")),  # its mirror image
            )
        ]
        terms = tuple(
            Term(
                name="clean",
                queries=(query,),
                candidates=(candidate,),
                kin=CommonSource(),
                objective=SoftCrossEntropy(temperature=self.temperature),
                weight=0.25,
            )
            for query, candidate in pairs
        )
        return Method(
            views=views.fitted(views.byol_pair(given.size)),
            heads={
                "projector": Head(
                    networks.mlp(
                        given.width, self.hidden, self.dim, layers=3, last_batch_norm="affine"
                    )
                ),
                "predictor": Head(
                    networks.mlp(self.dim, self.predictor_hidden, self.dim, layers=2),
                    on="projector",
                    teacher=False,
                ),
            },
            terms=terms,
            memory={"queue": Queue(self.queue_size, self.dim)},
            remember=(Remember("queue", (seen["a"],)),),
            optimisation=Optimisation(name="lars", lr=0.3, weight_decay=1e-6),
            batch_size=4096,
            mixable=Mixable(queries=("b",)),
        )
