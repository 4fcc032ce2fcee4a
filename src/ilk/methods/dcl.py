"""DCL: SimCLR whose positives do not stand among the negatives.

Paper: Yeh et al., ECCV 2022, https://arxiv.org/abs/2110.06848
Idea: in InfoNCE the gradient of a pair shrinks as its positive stands out in the denominator
    (Eq. 3), the more the fewer negatives there are. Without the positive there (Eq. 6) small
    batches learn as well as large ones. DCLW (Eq. 8) also weighs near positives less.
Against SimCLR: the denominator has negatives alone; all else is the same.
Departures: optimiser and views are SimCLR's. Weights of DCLW carry no gradient, and are means
    over the rows of a view.
Checked: tests/objectives/test_decoupled.py, tests/oracles, tests/golden/losses.json
"""

from dataclasses import dataclass

from ilk import networks, views
from ilk.core import Output
from ilk.kin import CommonSource, Itself, leave_out
from ilk.method import Given, Head, Method, Mixable, Optimisation, Term
from ilk.objectives import DecoupledContrast


@dataclass(frozen=True, kw_only=True, slots=True)
class DCL:
    """Settings of DCL; ``sigma=0.5`` is DCLW."""

    hidden: int = 2048
    dim: int = 128
    temperature: float = 0.1
    sigma: float | None = None  # of the weights of positives; none is one each

    def build(self, given: Given) -> Method:
        """Assemble the parts for a backbone and its images."""
        a, b = (Output("student", view, "projector") for view in ("a", "b"))
        terms = tuple(
            Term(
                name="clean",
                queries=(query,),
                candidates=(a, b),
                kin=leave_out(CommonSource(), Itself()),
                objective=DecoupledContrast(temperature=self.temperature, sigma=self.sigma),
                weight=0.5,
            )
            for query in (a, b)
        )
        projector = networks.mlp(
            given.width, self.hidden, self.dim, layers=2, last_batch_norm="scaled"
        )
        return Method(
            views=views.fitted(views.simclr_pair(given.size)),
            heads={"projector": Head(projector)},
            terms=terms,
            together="size",
            optimisation=Optimisation(name="lars", lr=0.3, weight_decay=1e-6),
            batch_size=256,
            mixable=Mixable(queries=("b",), swap=("a", "b")),
        )
