"""ReLIC v2: contrast with a few negatives, and similarities that do not depend on the view.

Paper: Tomasev et al., 2022, https://arxiv.org/abs/2201.05119
Idea: beside the contrast of the positive with ten negatives, the softmax over these eleven
    must not depend on the view. Several large and small crops are compared.
Against BYOL: it has negatives, a temperature and an explicit invariance term, and uses more
    views.
Departures: a small crop, which the teacher does not see, is compared with the similarities of
    another large crop. Backgrounds are not removed, because no masks are given. Batch norm
    sees crops of one size together. Weights, temperature and crops were not confirmed in the
    paper, so no reproduction is claimed.
Checked: tests/oracles, tests/golden/losses.json
"""

from dataclasses import dataclass, replace

from ilk import networks, views
from ilk.core import Cosine, Output
from ilk.kin import CommonSource, Sampled, SoftNeighbours
from ilk.method import EMA, Given, Head, Method, Mixable, Optimisation, Term
from ilk.objectives import Divergence, SoftCrossEntropy


@dataclass(frozen=True, kw_only=True, slots=True)
class ReLICv2:
    """Settings of ReLIC v2; defaults are those for ImageNet."""

    hidden: int = 4096
    dim: int = 256
    temperature: float = 0.2
    negatives: int = 10  # sampled for each query
    contrast: float = 0.3  # alpha
    invariance: float = 3.0  # beta
    momentum: float = 0.996  # the teacher's moving average, rising to 1
    large_views: int = 4  # at least two
    local_views: int = 2

    def build(self, given: Given) -> Method:
        """Assemble the parts for a backbone and its images."""
        first = views.byol_pair(given.size)[0]
        small = replace(first, size=views.local_size(given.size), scale=(0.05, 0.14))
        large = tuple(replace(first, name=f"g{n + 1}") for n in range(self.large_views))
        local = tuple(replace(small, name=f"l{n + 1}") for n in range(self.local_views))
        crops = (*large, *local)
        predictions = {crop.name: Output("student", crop.name, "predictor") for crop in crops}
        aims = {crop.name: Output("teacher", crop.name, "projector") for crop in large}
        names = tuple(aims)
        beyond = dict(zip(names, (*names[1:], names[0]), strict=True))
        # A pair's similarities are compared with those of its mirror image; those of a small
        # crop with those of the next large one.
        mirrored = {(q, k): (predictions[k], aims[q]) for q in names for k in names}
        mirrored |= {
            (c.name, k): (predictions[beyond[k]], aims[k]) for c in local for k in names
        }
        share = 1 / len(mirrored)
        few = Sampled(rule=CommonSource(), negatives=self.negatives)
        contrast = tuple(
            Term(
                name="contrast",
                queries=(predictions[q],),
                candidates=(aims[k],),
                kin=few,
                objective=SoftCrossEntropy(temperature=self.temperature),
                weight=self.contrast * share,
            )
            for q, k in mirrored
        )
        invariance = tuple(
            Term(
                name="invariance",
                queries=(predictions[q],),
                candidates=(aims[k],),
                kin=SoftNeighbours(temperature=self.temperature, by=by, among=(to,), mask=few),
                objective=Divergence(temperature=self.temperature),
                weight=self.invariance * share,
            )
            for (q, k), (by, to) in mirrored.items()
        )
        return Method(
            views=views.fitted(crops),
            heads={
                "projector": Head(networks.mlp(given.width, self.hidden, self.dim, layers=2)),
                "predictor": Head(
                    networks.mlp(self.dim, self.hidden, self.dim, layers=2),
                    on="projector",
                    teacher=False,
                ),
            },
            teacher=EMA(momentum=Cosine(self.momentum, 1.0), update="after"),
            terms=(*contrast, *invariance),
            together="size",
            optimisation=Optimisation(name="lars", lr=0.3, weight_decay=1e-6),
            batch_size=4096,
            mixable=Mixable(queries=tuple(crop.name for crop in local) or ("g2",)),
        )
