"""IIC: the classes of two views tell of one another as much as they can.

Paper: Ji et al., ICCV 2019, https://arxiv.org/abs/1807.06653
Idea: mutual information of two views' classes is largest when views agree, every answer is sure
    and all classes are used, so nothing collapses; a head with more classes than there are
    learns beside it.
Against SwAV: no assignment is balanced; the balance is in the information itself.
Departures: both kinds of heads learn in each step, not in turns; images keep their colours,
    without Sobel filters; an image is never rotated; each copy has batch statistics of its
    own, where all copies share a pass.
Checked: tests/objectives/test_information.py, tests/oracles, tests/golden/losses.json
"""

from dataclasses import dataclass, replace

from ilk import networks, views
from ilk.core import Output
from ilk.kin import CommonSource
from ilk.method import Given, Method, Mixable, Optimisation, Term
from ilk.objectives import PairInformation


@dataclass(frozen=True, kw_only=True, slots=True)
class IIC:
    """Settings of IIC; defaults are the authors' for STL-10."""

    classes: int = 10
    overclasses: int = 70  # of the auxiliary heads
    heads: int = 5  # of each kind
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
            projector=networks.mlp(given.width, given.width, sum(sizes), layers=1),
            terms=(
                Term(
                    name="clean",
                    queries=tuple(Output("student", v.name, "projection") for v in shown),
                    candidates=(Output("student", "plain", "projection"),),
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
