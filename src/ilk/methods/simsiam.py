"""SimSiam: the student predicts its own projection of the other view, without negatives.

Paper: Chen and He, CVPR 2021, https://arxiv.org/abs/2011.10566
Idea: stopping the gradient of the target is enough to prevent collapse, with the same network
    on both sides.
Against BYOL: there is no teacher; the targets come from the student.
Departures: none known; the paper's negative cosine is a quarter of both mean-shift terms, up
    to a constant.
Checked: tests/oracles, tests/golden/losses.json
"""

from dataclasses import dataclass

from ilk import networks, views
from ilk.core import Output
from ilk.kin import CommonSource
from ilk.method import Given, Head, Method, Mixable, Optimisation, Term
from ilk.objectives import MeanShift


@dataclass(frozen=True, kw_only=True, slots=True)
class SimSiam:
    """Settings of SimSiam; defaults are the paper's for ImageNet."""

    hidden: int = 2048
    dim: int = 2048
    predictor_hidden: int = 512

    def build(self, given: Given) -> Method:
        """Assemble the parts for a backbone and its images."""
        terms = tuple(
            Term(
                name="clean",
                queries=(Output("student", query, "predictor"),),
                candidates=(Output("student", key, "projector", stopped=True),),
                kin=CommonSource(),
                objective=MeanShift(),
                weight=0.25,
            )
            for query, key in (("a", "b"), ("b", "a"))
        )
        return Method(
            views=views.fitted(views.moco_v2_pair(given.size)),
            heads={
                "projector": Head(
                    networks.mlp(
                        given.width, self.hidden, self.dim, layers=3, last_batch_norm="plain"
                    )
                ),
                "predictor": Head(
                    networks.mlp(self.dim, self.predictor_hidden, self.dim, layers=2),
                    on="projector",
                    teacher=False,
                    constant_lr=True,
                ),
            },
            terms=terms,
            optimisation=Optimisation(
                name="sgd",
                lr=0.05,
                weight_decay=1e-4,
                decay_all=True,
                warmup_epochs=0,
            ),
            batch_size=512,
            mixable=Mixable(queries=("b",), swap=("a", "b")),
        )
