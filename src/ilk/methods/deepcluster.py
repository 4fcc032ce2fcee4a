"""DeepCluster: the k-means cluster of an image's features is its label for the next epoch.

Paper: Caron et al., ECCV 2018, https://arxiv.org/abs/1807.05520
Idea: the features of even an untrained network carry some information about images.
    DeepCluster clusters the features, trains the network to predict the clusters, and
    clusters the improved features.
Against DeepCluster v2: it uses one view; whitened features of the backbone are clustered, not
    projections; the clusters are the classes of a linear head that is reinitialised every
    epoch.
Departures: the features are those of an image's last training view, L2-normalised, where the
    authors embed plain crops before each clustering. In the first epoch labels are assigned
    at random. Rows are weighted by the inverse size of their cluster, where the authors
    sample clusters uniformly. The head shares the backbone's optimiser, including its
    momentum. Images keep their colours, without Sobel filters. No reproduction is claimed.
Checked: tests/memory/test_whitened.py, tests/oracles, tests/golden/losses.json
"""

from dataclasses import dataclass, replace
from functools import partial

from ilk import networks, views
from ilk.core import Output
from ilk.kin import OwnClass
from ilk.memory import Bank, WhitenedClusters
from ilk.method import Classes, Given, Head, Method, Mixable, Optimisation, Remember, Term
from ilk.objectives import SoftCrossEntropy


@dataclass(frozen=True, kw_only=True, slots=True)
class DeepCluster:
    """Settings of DeepCluster; defaults are the authors' for ImageNet."""

    clusters: int = 10_000
    axes: int = 256  # principal axes of the whitened features
    iterations: int = 20  # k-means iterations

    def build(self, given: Given) -> Method:
        """Assemble the parts for a backbone and its images."""
        head = partial(networks.classifier, given.width, self.clusters)
        shown = Output("student", "a", "feature", stopped=True)
        return Method(
            views=views.fitted((views.weak(given.size, min_scale=0.08, name="a"),)),
            heads={"projector": Head(head(), renew=head)},
            terms=(
                Term(
                    name="clean",
                    queries=(replace(shown, head="projector", stopped=False),),
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
                end_share=1.0,
            ),
            batch_size=256,
            mixable=Mixable(queries=("a",)),
        )
