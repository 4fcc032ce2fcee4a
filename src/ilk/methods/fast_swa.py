"""fast-SWA: the Pi-model with a rate in cycles, and a mean of the weights along them.

Paper: Athiwaratkun et al., ICLR 2019, https://arxiv.org/abs/1806.05594
Idea: with consistency, weights far apart are good solutions that differ, and their mean is
    better than each. From some epoch on the rate goes up and down in cycles, and weights are
    averaged every few epochs of them, not only at their ends (section 3.3).
Against the Pi-model: weights are averaged and the rate does not end. Against Mean Teacher: the
    average is a plain mean, and never a target.
Departures: the consistency is the Pi-model's alone, where the paper averages Mean Teacher's
    weights too; as in the Pi-model's paper the gradient flows through both answers, where the
    authors' code stops one. An epoch is one pass over all images. The half cosine before the
    cycles would end with the first of them. The averages' statistics are measured over one
    epoch where it has fewer than 100 batches. No reproduction is claimed.
Checked: tests/core/test_schedules.py, tests/networks/test_statistics.py,
    tests/laws/test_few_labels.py, tests/oracles, tests/golden/losses.json
"""

from dataclasses import dataclass, replace

from ilk import networks, views
from ilk.core import CyclicCosine, MeanMomentum, Output, SigmoidRamp
from ilk.core.facts import LABEL
from ilk.kin import CommonSource, KnownClass
from ilk.method import (
    EMA,
    Classes,
    Given,
    Head,
    KnownShare,
    Method,
    Mixable,
    Optimisation,
    Term,
)
from ilk.objectives import SoftCrossEntropy, SquaredError


@dataclass(frozen=True, kw_only=True, slots=True)
class FastSWA:
    """Settings of fast-SWA; defaults are the authors' for CIFAR-10.

    Each view has a pass of its own, and batch norms of the student keep the statistics of both.
    The mean of weights has no passes: its statistics are measured on training images whenever
    it is kept. The mean of the labelled loss is over all rows of the batch, as in the authors'
    code. All weights decay, biases and norms too.
    """

    shift: float = 0.125  # most of a shift, as a share of the side: 4 pixels of 32
    labelled: float = 0.5  # share of labelled images in a batch
    weight: float = 100.0  # of the consistency
    ramp_epochs: float = 5.0
    average_from: float = 150.0  # epochs; the rate rises first a cycle later
    cycle_share: float = 0.2  # of these epochs, that a cycle takes: 30
    average_share: float = 0.1  # of a cycle, until the next weights are taken: 3
    measured: int = 100  # batches for the statistics of batch norms
    base_lr: float = 0.256  # for a batch of 256; 0.1 for the authors' 100
    weight_decay: float = 1e-4

    def build(self, given: Given) -> Method:
        """Assemble the parts for a backbone and its images."""
        one = views.shifted(given.size, self.shift, name="a")
        a, b = (Output("student", name, "classifier") for name in ("a", "b"))
        cycle = self.cycle_share * self.average_from
        return Method(
            views=(one, replace(one, name="b")),
            heads={"classifier": Head(networks.classifier(given.width, given.scores))},
            teacher=EMA(
                momentum=MeanMomentum(self.average_from, self.average_share * cycle),
                measured=self.measured,
            ),
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
                    weight=self.weight,
                    schedule=SigmoidRamp(1.0, self.ramp_epochs),
                ),
            ),
            optimisation=Optimisation(
                name="sgd",
                lr=self.base_lr,
                share_of_peak=CyclicCosine(self.average_from + cycle, cycle),
                weight_decay=self.weight_decay,
                decay_all=True,
                nesterov=True,
                warmup_epochs=0,
            ),
            batch_size=100,
            encoder="teacher",
            mixable=Mixable.beside(("b",), share=self.weight / (1 + self.weight)),
            facts={LABEL: 1.0},
            sampling=KnownShare(share=self.labelled, pooled=False),
        )
