"""UIC: the network's predictions of the last epoch are this epoch's labels.

Paper: Chen et al., ECCV workshops 2020, https://arxiv.org/abs/2006.11480
Idea: DeepCluster without k-means. The class that the network predicts for an image while it
    trains in one epoch is the image's pseudo-label in the next, so only one number for each
    image is stored.
Against DeepCluster v2: there is no memory bank, no k-means and no second view; the classes
    are learned.
Departures: rows are weighted by the inverse size of their class, where the authors sample
    classes uniformly. The expectation is the same, and every image is seen once an epoch.
Checked: tests/memory/test_labels.py, tests/oracles, tests/golden/losses.json
"""

from dataclasses import dataclass, replace

from ilk import networks, views
from ilk.core import Output
from ilk.kin import OwnClass
from ilk.memory import Labels
from ilk.method import Classes, Given, Head, Method, Mixable, Optimisation, Remember, Term
from ilk.objectives import SoftCrossEntropy


@dataclass(frozen=True, kw_only=True, slots=True)
class UIC:
    """Settings of UIC; defaults are the authors' for ImageNet."""

    hidden: int = 2048
    classes: int = 3000

    def build(self, given: Given) -> Method:
        """Assemble the parts for a backbone and its images."""
        shown = replace(views.simclr_pair(given.size)[0], interpolation="bilinear")
        scores = Output("student", "a", "projector")
        return Method(
            views=views.fitted((shown,)),
            heads={
                "projector": Head(
                    networks.mlp(given.width, self.hidden, self.classes, layers=3)
                )
            },
            terms=(
                Term(
                    name="clean",
                    queries=(scores,),
                    candidates=(Classes(self.classes),),
                    kin=OwnClass(labels="pseudo_labels"),
                    objective=SoftCrossEntropy(temperature=1.0),
                ),
            ),
            memory={"pseudo_labels": Labels(self.classes, given.items)},
            remember=(Remember("pseudo_labels", (replace(scores, stopped=True),)),),
            optimisation=Optimisation(
                name="sgd", lr=0.05, weight_decay=1e-4, decay_all=True, warmup_epochs=0
            ),
            batch_size=1024,
            mixable=Mixable(queries=("a",)),
        )
