"""UIC: an image is of the class that the network said it to be an epoch ago.

Paper: Chen et al., ECCV workshops 2020, https://arxiv.org/abs/2006.11480
Idea: DeepCluster without clustering; the classifier's own answer while it trains on an epoch is
    the label of the next, and a table of one number per image is all there is to keep.
Against DeepCluster v2: no bank, no k-means and no second view; classes are learnt.
Departures: rows count in inverse proportion to the size of their class, where the authors draw
    classes alike often: the same in the mean, with every image seen once an epoch.
Checked: tests/memory/test_labels.py, tests/oracles, tests/golden/losses.json
"""

from dataclasses import dataclass, replace

from ilk import networks, views
from ilk.core import Output
from ilk.kin import OwnClass
from ilk.memory import Labels
from ilk.method import Classes, Given, Method, Mixable, Optimisation, Remember, Term
from ilk.objectives import SoftCrossEntropy


@dataclass(frozen=True, kw_only=True, slots=True)
class UIC:
    """Settings of UIC; defaults are the authors' for ImageNet."""

    hidden: int = 2048
    classes: int = 3000

    def build(self, given: Given) -> Method:
        """Assemble the parts for a backbone and its images."""
        shown = replace(views.simclr_pair(given.size)[0], interpolation="bilinear")
        scores = Output("student", "a", "projection")
        return Method(
            views=views.fitted((shown,)),
            projector=networks.mlp(given.width, self.hidden, self.classes, layers=3),
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
