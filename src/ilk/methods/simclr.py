"""SimCLR: two views of an image are positives, and all other views of the batch are negatives.

Paper: Chen et al., ICML 2020, https://arxiv.org/abs/2002.05709
Idea: contrast within a large batch, through a projector that is discarded after training.
Against MoCo v3: there is no teacher and no predictor; both views are candidates for both
    queries.
Departures: crops are resized with an anti-aliased kernel, which the authors' TensorFlow code
    does not use. Linear layers are initialised as PyTorch does, where theirs are N(0, 0.01).
Checked: tests/oracles, tests/golden/losses.json
"""

from dataclasses import dataclass

from torch import nn

from ilk import networks, views
from ilk.core import Output
from ilk.kin import CommonSource, Itself, leave_out
from ilk.method import Given, Head, Method, Mixable, Optimisation, Term
from ilk.objectives import SoftCrossEntropy


@dataclass(frozen=True, kw_only=True, slots=True)
class SimCLR:
    """Settings of SimCLR; defaults are the paper's for ImageNet."""

    hidden: int = 2048
    dim: int = 128
    temperature: float = 0.1

    def build(self, given: Given) -> Method:
        """Assemble the parts for a backbone and its images."""
        a, b = (Output("student", view, "projector") for view in ("a", "b"))
        terms = tuple(
            Term(
                name="clean",
                queries=(query,),
                candidates=(a, b),
                kin=leave_out(CommonSource(), Itself()),
                objective=SoftCrossEntropy(temperature=self.temperature),
                weight=0.5,
            )
            for query in (a, b)
        )
        return Method(
            views=views.fitted(views.simclr_pair(given.size)),
            heads={"projector": Head(self._projector(given.width))},
            terms=terms,
            together="size",
            optimisation=Optimisation(name="lars", lr=0.3, weight_decay=1e-6),
            batch_size=4096,
            mixable=Mixable(queries=("b",), swap=("a", "b")),
        )

    def _projector(self, width: int) -> nn.Module:
        return networks.mlp(width, self.hidden, self.dim, layers=2, last_batch_norm="scaled")
