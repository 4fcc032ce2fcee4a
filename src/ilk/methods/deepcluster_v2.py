"""DeepCluster v2: every crop predicts the cluster that its image was in an epoch ago.

Paper: Caron et al., NeurIPS 2020, https://arxiv.org/abs/2006.09882
Idea: the prototypes are centroids and are not learned, so a cluster keeps its meaning from
    one epoch to the next. Several clusterings are learned at the same time.
Against SwAV: k-means over the whole data set assigns images to clusters once an epoch; SwAV
    balances the assignments within each batch.
Departures: k-means clusters the projections of the two large crops from the last epoch. In
    the first epoch labels are assigned at random, where the authors embed all images
    beforehand. The warm-up begins at zero, where the authors' begins at a sixteenth of the
    peak.
Checked: tests/oracles, tests/golden/losses.json
"""

from dataclasses import dataclass

from ilk import networks, views
from ilk.core import Output
from ilk.kin import OwnCluster
from ilk.memory import Bank, Clusters
from ilk.method import FromMemory, Given, Head, Method, Mixable, Optimisation, Remember, Term
from ilk.objectives import SoftCrossEntropy


@dataclass(frozen=True, kw_only=True, slots=True)
class DeepClusterV2:
    """Settings of DeepCluster v2; defaults are the authors' for ImageNet."""

    hidden: int = 2048
    dim: int = 128
    clusters: int = 3000
    clusterings: int = 3
    temperature: float = 0.1
    local_views: int = 6
    min_local_scale: float = 0.05  # smallest area of a small crop; raised where 5 % is tiny

    def build(self, given: Given) -> Method:
        """Assemble the parts for a backbone and its images."""
        small = views.local_size(given.size)
        crops = views.fitted(
            views.swav_multicrop(given.size, small, self.local_views, self.min_local_scale)
        )
        names = tuple(crop.name for crop in crops)
        seen = {g: Output("student", g, "projector", stopped=True) for g in ("g1", "g2")}
        banks = {f"bank-{g}": Bank(given.items, self.dim, momentum=0.0) for g in seen}
        heads = {
            f"clusters{n + 1}": Clusters(
                self.clusters, self.dim, bank=tuple(banks)[n % 2], items=given.items, seed=n
            )
            for n in range(self.clusterings)
        }
        terms = tuple(
            Term(
                name="clean",
                queries=tuple(Output("student", name, "projector") for name in names),
                candidates=(FromMemory(head),),
                kin=OwnCluster(clusters=head),
                objective=SoftCrossEntropy(temperature=self.temperature),
                weight=1 / len(heads),
            )
            for head in heads
        )
        return Method(
            views=crops,
            heads={
                "projector": Head(networks.mlp(given.width, self.hidden, self.dim, layers=2))
            },
            terms=terms,
            memory={**banks, **heads},
            remember=tuple(Remember(f"bank-{g}", (output,)) for g, output in seen.items()),
            together="all",
            optimisation=Optimisation(name="larc", lr=0.3, end_share=1e-3, weight_decay=1e-6),
            batch_size=4096,
            mixable=Mixable.of_crops(names),
        )
