"""VAT with entropy minimisation: smooth around every image, and sure of every image.

Paper: Miyato et al., TPAMI 2018, https://arxiv.org/abs/1704.03976
Idea: beside the smoothness of VAT the network's answers are to be sure ones: their entropy
    is a loss of its own (section 4.4.3), so that boundaries between classes move to where
    images are few. Together they keep whole neighbourhoods in one class.
Against VAT: one term more, and no pass more.
Departures: as in VAT here. Mixed images are refused. No reproduction is claimed.
Checked: tests/objectives/test_squared_error.py, tests/views/test_adversarial.py,
    tests/train/test_adversarial.py, tests/laws/test_few_labels.py, tests/oracles,
    tests/golden/losses.json
"""

from dataclasses import dataclass, replace

from ilk import networks, views
from ilk.core import Output
from ilk.core.facts import LABEL
from ilk.kin import KnownClass, Predicted
from ilk.method import Classes, Given, Head, KnownShare, Method, Mixable, Optimisation, Term
from ilk.objectives import Entropy, ForwardDivergence, SoftCrossEntropy

SIDE = 32  # pixels for which the paper's radius is


@dataclass(frozen=True, kw_only=True, slots=True)
class VATEntMin:
    """Settings of VAT with entropy minimisation; defaults are the paper's for CIFAR-10.

    Passes, batch norms and decay as in VAT. The mean entropy is over all images of the batch.
    """

    shift: float = 0.0625  # most of a shift, as a share of the side: 2 pixels of 32
    labelled: float = 0.2  # share of labelled images in a batch: 32 beside 128
    radius: float = 8.0  # of the change of an image of 32 px
    probe: float = 1.0  # distance at which the network is asked for the direction
    iterations: int = 1  # of the power method
    weight: float = 1.0  # of the divergence
    entropy: float = 1.0  # weight of the entropy
    base_lr: float = 0.001  # whatever the batch

    def build(self, given: Given) -> Method:
        """Assemble the parts for a backbone and its images."""
        scores, classes = Output("student", "a", "classifier"), (Classes(given.scores),)
        clean = replace(scores, stopped=True)
        predicted = Predicted(by=(clean,), temperature=1.0)
        return Method(
            views=(views.shifted(given.size, self.shift, name="a"),),
            derived=(
                views.AdversarialView(
                    name="moved",
                    by=clean,
                    radius=self.radius * given.size / SIDE,
                    probe=self.probe,
                    iterations=self.iterations,
                ),
            ),
            heads={"classifier": Head(networks.classifier(given.width, given.scores))},
            terms=(
                Term(
                    name="labelled",
                    queries=(scores,),
                    candidates=classes,
                    kin=KnownClass(classes=given.scores),
                    objective=SoftCrossEntropy(temperature=1.0),
                ),
                Term(
                    name="smoothness",
                    queries=(Output("student", "moved", "classifier"),),
                    candidates=classes,
                    kin=predicted,
                    objective=ForwardDivergence(),
                    weight=self.weight,
                ),
                Term(
                    name="entropy",
                    queries=(scores,),
                    candidates=classes,
                    kin=predicted,
                    objective=Entropy(),
                    weight=self.entropy,
                ),
            ),
            optimisation=Optimisation(
                name="adamw", lr=self.base_lr, scaling="none", warmup_epochs=0
            ),
            batch_size=160,
            mixable=Mixable(queries=("a",)),
            facts={LABEL: 1.0},
            sampling=KnownShare(share=self.labelled),
        )
