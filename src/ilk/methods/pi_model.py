"""Pi-model: two views of an image, labelled or not, must get the same class probabilities.

Paper: Laine and Aila, ICLR 2017, https://arxiv.org/abs/1610.02242
Idea: what is random in a network and its input must not change the answer. The squared
    difference of two answers needs no label, and its weight grows while answers become worth
    agreeing on (section 2.1).
Against Mean Teacher: both answers are the network's own, and the gradient flows through both.
Departures: every batch has as many labelled images as with the paper's 4,000 of 50,000, in
    place of random batches of all. Each view has its own flip, and there is no Gaussian noise,
    dropout or ZCA. The rate grows on a line for 80 epochs and falls by a cosine, with Adam's
    first beta at 0.9. No reproduction is claimed.
Checked: tests/objectives/test_squared_error.py, tests/laws/test_few_labels.py, tests/oracles,
    tests/golden/losses.json
"""

from dataclasses import dataclass, replace

from ilk import networks, views
from ilk.core import Output, SigmoidRamp
from ilk.core.facts import LABEL
from ilk.kin import CommonSource, KnownClass
from ilk.method import Classes, Given, Head, KnownShare, Method, Mixable, Optimisation, Term
from ilk.objectives import SoftCrossEntropy, SquaredError


@dataclass(frozen=True, kw_only=True, slots=True)
class PiModel:
    """Settings of the Pi-model; defaults are the paper's for CIFAR-10.

    Each view has a pass of its own, and batch norms keep the statistics of both. The mean of
    the labelled loss is over all rows of the batch, as in the authors' code. Nothing decays.
    """

    shift: float = 0.0625  # most of a shift, as a share of the side: 2 pixels of 32
    labelled: float = 0.08  # share of labelled images in a batch
    weight: float = 100.0  # of the consistency, times the share of labelled images
    ramp_epochs: float = 80.0
    zero_epochs: float = 1.0  # without consistency
    rise_epochs: float = 80.0  # in which the rate grows
    base_lr: float = 0.003  # whatever the batch

    def build(self, given: Given) -> Method:
        """Assemble the parts for a backbone and its images."""
        weight = self.weight * self.labelled
        one = views.shifted(given.size, self.shift, name="a")
        a, b = (Output("student", name, "classifier") for name in ("a", "b"))
        return Method(
            views=(one, replace(one, name="b")),
            heads={"classifier": Head(networks.classifier(given.width, given.scores))},
            terms=(
                Term(
                    name="labelled",
                    queries=(a,),
                    candidates=(Classes(given.scores),),
                    kin=KnownClass(classes=given.scores),
                    objective=SoftCrossEntropy(temperature=1.0),
                    rows="all",
                ),
                Term(
                    name="consistency",
                    queries=(b,),
                    candidates=(a,),
                    kin=CommonSource(),
                    objective=SquaredError(),
                    weight=weight,
                    schedule=SigmoidRamp(1.0, self.ramp_epochs, self.zero_epochs),
                ),
            ),
            optimisation=Optimisation(
                name="adamw",
                lr=self.base_lr,
                scaling="none",
                warmup_epochs=self.rise_epochs,
            ),
            batch_size=100,
            mixable=Mixable.beside(("b",), share=weight / (1 + weight)),
            facts={LABEL: 1.0},
            sampling=KnownShare(share=self.labelled, pooled=False),
        )
