"""BYOL: the student predicts the teacher's projection of the other view, without negatives.

Paper: Grill et al., NeurIPS 2020, https://arxiv.org/abs/2006.07733
Idea: a predictor and a teacher that is a moving average of the student prevent collapse
    without any negatives.
Against MoCo v3: mean squared error replaces the softmax, and the projector is wider.
Departures: crops are resized with an anti-aliased kernel, which the authors' TensorFlow code
    does not use. The last layers of projector and predictor have a bias, which the authors'
    code does not have.
Checked: tests/oracles, tests/golden/losses.json
"""

from dataclasses import dataclass

from ilk import networks, views
from ilk.core import Cosine, Output
from ilk.kin import CommonSource
from ilk.method import EMA, Given, Head, Method, Mixable, Optimisation, Term
from ilk.objectives import MeanShift


@dataclass(frozen=True, kw_only=True, slots=True)
class BYOL:
    """Settings of BYOL; defaults are the paper's for 1000 epochs of ImageNet."""

    hidden: int = 4096
    dim: int = 256
    momentum: float = 0.996  # the teacher's moving average, rising to 1

    def build(self, given: Given) -> Method:
        """Assemble the parts for a backbone and its images."""
        terms = tuple(
            Term(
                name="clean",
                queries=(Output("student", query, "predictor"),),
                candidates=(Output("teacher", key, "projector"),),
                kin=CommonSource(),
                objective=MeanShift(),
            )
            for query, key in (("a", "b"), ("b", "a"))
        )
        return Method(
            views=views.fitted(views.byol_pair(given.size)),
            heads={
                "projector": Head(networks.mlp(given.width, self.hidden, self.dim, layers=2)),
                "predictor": Head(
                    networks.mlp(self.dim, self.hidden, self.dim, layers=2),
                    on="projector",
                    teacher=False,
                ),
            },
            teacher=EMA(momentum=Cosine(self.momentum, 1.0), update="after"),
            terms=terms,
            optimisation=Optimisation(name="lars", lr=0.2, weight_decay=1.5e-6),
            batch_size=4096,
            mixable=Mixable(queries=("b",), swap=("a", "b")),
        )
