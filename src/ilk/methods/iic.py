"""IIC: the mutual information between the classes of two views is maximised.

Paper: Ji et al., ICCV 2019, https://arxiv.org/abs/1807.06653
Idea: mutual information is largest when the two views agree, every prediction is confident
    and all classes are used, so nothing collapses. Auxiliary heads with more classes than
    expected (overclustering) are trained together with it.
Against SwAV: no assignment step balances the classes; the mutual information does.
Departures: both kinds of heads are trained in each step, where the authors alternate between
    them. Images keep their colours, without Sobel filters, and are never rotated. Each copy
    of an image has batch statistics of its own, where the authors pass all copies together.
Checked: tests/objectives/test_information.py, tests/oracles, tests/golden/losses.json
"""

from dataclasses import dataclass, replace

from ilk import networks, views
from ilk.core import Output
from ilk.kin import CommonSource
from ilk.method import Given, Head, Method, Mixable, Optimisation, Term
from ilk.objectives import PairInformation


@dataclass(frozen=True, kw_only=True, slots=True)
class IIC:
    """Settings of IIC; defaults are the authors' for STL-10."""

    classes: int = 10
    overclasses: int = 70  # classes of the auxiliary heads
    heads: int = 5  # heads of each kind
    marginals: float = 1.0  # lambda
    copies: int = 3  # transformed views of an image, each paired with the plain one

    def build(self, given: Given) -> Method:
        """Assemble the parts for a backbone and its images."""
        plain = views.weak(given.size, name="plain")
        copy = replace(plain, jitter=(0.4, 0.4, 0.4, 0.125), jitter_p=1.0)
        shown = tuple(replace(copy, name=f"v{n + 1}") for n in range(self.copies))
        sizes = (self.classes,) * self.heads + (self.overclasses,) * self.heads
        return Method(
            views=views.fitted((plain, *shown)),
            heads={
                "projector": Head(networks.mlp(given.width, given.width, sum(sizes), layers=1))
            },
            terms=(
                Term(
                    name="clean",
                    queries=tuple(Output("student", v.name, "projector") for v in shown),
                    candidates=(Output("student", "plain", "projector"),),
                    kin=CommonSource(),
                    objective=PairInformation(heads=sizes, marginals=self.marginals),
                ),
            ),
            optimisation=Optimisation(
                name="adamw", lr=1e-4, scaling="none", warmup_epochs=0, end_lr=1e-4
            ),
            batch_size=660,
            mixable=Mixable(queries=tuple(v.name for v in shown[self.copies // 2 :])),
        )
