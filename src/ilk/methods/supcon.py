"""SupCon: all views of one class are positives, or those of one image where no label is known.

Paper: Khosla et al., NeurIPS 2020, https://arxiv.org/abs/2004.11362
Idea: labels decide which candidates are positives and are not targets of a classifier. Each
    of the positives has a log term of its own (Eq. 2), which pulls a whole class together.
Against SimCLR: positives share the label or the image; without any label the two methods are
    the same.
Departures: views and learning rate are SimCLR's. Labels may be known for only some images;
    the others have their own views as positives, which makes the method semi-supervised.
Checked: tests/oracles, tests/golden/losses.json
"""

from dataclasses import dataclass

from ilk import networks, views
from ilk.core import Output
from ilk.kin import CommonSource, Itself, SameLabel, leave_out, union
from ilk.method import Given, Head, Method, Mixable, Optimisation, Term
from ilk.objectives import SoftCrossEntropy


@dataclass(frozen=True, kw_only=True, slots=True)
class SupCon:
    """Settings of SupCon; defaults are the paper's for ImageNet."""

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
                kin=leave_out(union(CommonSource(), SameLabel()), Itself()),
                objective=SoftCrossEntropy(temperature=self.temperature),
                weight=0.5,
            )
            for query in (a, b)
        )
        return Method(
            views=views.fitted(views.simclr_pair(given.size)),
            heads={
                "projector": Head(
                    networks.mlp(given.width, self.hidden, self.dim, layers=2, batch_norm=False)
                )
            },
            terms=terms,
            together="size",
            optimisation=Optimisation(name="lars", lr=0.3, weight_decay=1e-6),
            batch_size=6144,
            mixable=Mixable(queries=("b",), swap=("a", "b")),
            facts={"label": 1.0},
        )
