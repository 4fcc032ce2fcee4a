"""FNC: keys that resemble any view of an image are further positives, or are ignored.

Paper: Huynh et al., WACV 2022, https://arxiv.org/abs/2011.11765
Idea: some negatives show the same thing as the query. A support set of views finds these
    false negatives; the loss then attracts them or ignores them.
Against MoCo v2: it uses many views, and an image has positives beyond its own keys.
Departures: views are SimCLR's, where the authors use RandAugment with jitter.
Checked: tests/oracles, tests/golden/losses.json
"""

from dataclasses import dataclass, replace

from ilk import networks, views
from ilk.core import Output
from ilk.kin import CommonSource, Itself, Similar, leave_out, union
from ilk.memory import Queue
from ilk.method import (
    EMA,
    FromMemory,
    Given,
    Head,
    Method,
    Mixable,
    Optimisation,
    Remember,
    Term,
)
from ilk.objectives import SoftCrossEntropy


@dataclass(frozen=True, kw_only=True, slots=True)
class FNC:
    """Settings of FNC; defaults are the authors' for ImageNet."""

    hidden: int = 2048
    dim: int = 128
    temperature: float = 0.1
    momentum: float = 0.999  # the teacher's moving average
    queue_size: int = 65_536
    view_count: int = 10  # two views and a support set of eight; all are trained
    top: int = 10  # false negatives per image, at most
    above: float = 0.7  # least cosine to the most similar view
    attract: bool = True  # False ignores false negatives

    def build(self, given: Given) -> Method:
        """Assemble the parts for a backbone and its images."""
        first = views.simclr_pair(given.size)[0]
        shown = tuple(replace(first, name=f"v{n + 1}") for n in range(self.view_count))
        keys = tuple(Output("teacher", view.name, "projector") for view in shown)
        similar = Similar(top=self.top, above=self.above, over=keys)
        change = union if self.attract else leave_out
        terms = tuple(
            Term(
                name="clean",
                queries=(Output("student", view.name, "projector"),),
                candidates=(*keys, FromMemory("bank")),
                kin=leave_out(change(CommonSource(), similar), Itself()),
                objective=SoftCrossEntropy(temperature=self.temperature),
                weight=2 / self.view_count,
            )
            for view in shown
        )
        return Method(
            views=views.fitted(shown),
            heads={
                "projector": Head(
                    networks.mlp(
                        given.width, self.hidden, self.dim, layers=3, last_batch_norm="scaled"
                    )
                )
            },
            teacher=EMA(momentum=self.momentum, update="before"),
            terms=terms,
            memory={"bank": Queue(self.queue_size, self.dim, keep_sources=True)},
            remember=(Remember("bank", keys),),
            together="size",
            optimisation=Optimisation(name="lars", lr=1.6, scaling="sqrt", weight_decay=1e-4),
            batch_size=4096,
            mixable=Mixable(queries=tuple(v.name for v in shown[self.view_count // 2 :])),
        )
