"""W-MSE: views of an image are near one another once the batch is whitened.

Paper: Ermolov et al., ICML 2021, https://arxiv.org/abs/2007.06346
Idea: a batch whose covariance is the identity has not collapsed, so positives are enough.
Against VICReg: decorrelation is exact and part of the network's last step, not a term of the
    loss; all views of an image attract one another.
Departures: a batch is cut into sub-batches once, in the order of its images, which is random,
    where the authors shuffle it, for two large views four times; the projector's batch norm
    sees one view at a time; the rate falls along a cosine, where the authors lower it twice
    near the end; the weight decay is AdamW's; the last layer has no bias, which whitening would
    cancel. The defaults are the authors' for STL-10 and Tiny
    ImageNet.
Checked: tests/oracles, tests/golden/losses.json
"""

from dataclasses import dataclass, replace

from ilk import networks, views
from ilk.core import Output
from ilk.kin import CommonSource
from ilk.method import Given, Head, Method, Mixable, Optimisation, Term
from ilk.objectives import WhitenedMeanShift


@dataclass(frozen=True, kw_only=True, slots=True)
class WMSE:
    """Settings of W-MSE; defaults are the authors' for images of 64 to 96 pixels."""

    hidden: int = 1024
    dim: int = 128
    view_count: int = 2  # of each image; all of them attract one another
    sub_batch: int = 256  # images that are whitened together; more than dim
    shrinkage: float = 0.0  # share of the identity in each covariance

    def build(self, given: Given) -> Method:
        """Assemble the parts for a backbone and its images."""
        first = replace(
            views.moco_v2_pair(given.size)[0], gray_p=0.1, blur_p=0.0, interpolation="bicubic"
        )
        shown = tuple(replace(first, name=f"v{n + 1}") for n in range(self.view_count))
        rows = tuple(Output("student", view.name, "projector") for view in shown)
        terms = tuple(
            Term(
                name="clean",
                queries=(query,),
                candidates=tuple(other for other in rows if other != query),
                kin=CommonSource(),
                objective=WhitenedMeanShift(sub_batch=self.sub_batch, shrinkage=self.shrinkage),
                weight=1 / self.view_count,
            )
            for query in rows
        )
        return Method(
            views=views.fitted(shown),
            heads={
                "projector": Head(
                    networks.mlp(given.width, self.hidden, self.dim, layers=2, bias=False)
                )
            },
            terms=terms,
            optimisation=Optimisation(
                name="adamw", lr=2e-3, scaling="none", warmup_epochs=2.5, weight_decay=1e-6
            ),
            batch_size=512,
            mixable=Mixable(queries=(shown[-1].name,)),
        )
