"""DeepCluster: an image is of the cluster that its own features put it in an epoch ago.

Paper: Caron et al., ECCV 2018, https://arxiv.org/abs/1807.05520
Idea: even an untrained network tells images apart a little; cluster its features, learn to
    say the clusters, and cluster the better features again.
Against DeepCluster v2: one view; features of the backbone, whitened, in place of a projection;
    clusters are classes of a linear head that is made anew in each epoch.
Departures: features are those that an image had when it was last trained on, by direction
    alone, where the authors embed plain crops anew; in the first epoch labels are dealt out at
    random; rows count in inverse proportion to the size of their cluster, where the authors
    draw clusters alike often; the head shares the backbone's optimiser, momentum included;
    images keep their colours, without Sobel filters. Not claimed to reproduce.
Checked: tests/memory/test_whitened.py, tests/oracles, tests/golden/losses.json
"""

from dataclasses import dataclass, replace
from functools import partial

from ilk import networks, views
from ilk.core import Output
from ilk.kin import OwnClass
from ilk.memory import Bank, WhitenedClusters
from ilk.method import Classes, Given, Method, Mixable, Optimisation, Remember, Term
from ilk.objectives import SoftCrossEntropy


@dataclass(frozen=True, kw_only=True, slots=True)
class DeepCluster:
    """Settings of DeepCluster; defaults are the authors' for ImageNet."""

    clusters: int = 10_000
    axes: int = 256  # of the whitened features
    iterations: int = 20  # of k-means

    def build(self, given: Given) -> Method:
        """Assemble the parts for a backbone and its images."""
        head = partial(networks.classifier, given.width, self.clusters)
        shown = Output("student", "a", "feature", stopped=True)
        return Method(
            views=views.fitted((views.weak(given.size, min_scale=0.08, name="a"),)),
            projector=head(),
            renewed={"projector": head},
            terms=(
                Term(
                    name="clean",
                    queries=(replace(shown, field="projection", stopped=False),),
                    candidates=(Classes(self.clusters),),
                    kin=OwnClass(labels="clusters"),
                    objective=SoftCrossEntropy(temperature=1.0),
                ),
            ),
            memory={
                "bank": Bank(given.items, given.width, momentum=0.0),
                "clusters": WhitenedClusters(
                    self.clusters,
                    bank="bank",
                    items=given.items,
                    axes=self.axes,
                    iterations=self.iterations,
                ),
            },
            remember=(Remember("bank", (shown,)),),
            optimisation=Optimisation(
                name="sgd",
                lr=0.05,
                weight_decay=1e-5,
                decay_all=True,
                warmup_epochs=0,
                constant_lr=("backbone", "projector"),
            ),
            batch_size=256,
            mixable=Mixable(queries=("a",)),
        )
