"""Mean Teacher: an image must get the class probabilities that an averaged network gives it.

Paper: Tarvainen and Valpola, NeurIPS 2017, https://arxiv.org/abs/1703.01780
Idea: average weights, not predictions. A teacher that is a moving average of the student is
    better than the student at every step, so its answer to another view is a better target
    (Eq. 1 to 3).
Against the Pi-model: the second answer is the teacher's, and no gradient flows through it.
    Against Temporal Ensembling: a new target in each step, and no memory that grows with the
    data. Against BYOL: answers are class probabilities, and some labels are known.
Departures: the teacher has no dropout, and the student one head, without the authors' second
    one for the consistency. The rate follows a cosine from its peak. No reproduction is
    claimed.
Checked: tests/objectives/test_squared_error.py, tests/laws/test_few_labels.py, tests/oracles,
    tests/golden/losses.json
"""

from dataclasses import dataclass, replace

from ilk import networks, views
from ilk.core import Output, SigmoidRamp, WarmMomentum
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
class MeanTeacher:
    """Settings of Mean Teacher; defaults are the authors' for CIFAR-10.

    Student and teacher are in training mode; batch norms of each keep the statistics of its own
    pass, and the average is of parameters alone. The mean of the labelled loss is over all rows
    of the batch, as in the authors' code. All weights decay, biases and norms too. The teacher
    is the encoder that is kept.
    """

    shift: float = 0.125  # most of a shift, as a share of the side: 4 pixels of 32
    labelled: float = 0.5  # share of labelled images in a batch
    momentum: float = 0.97  # of the teacher, once it is no plain mean any more
    weight: float = 100.0  # of the consistency
    ramp_epochs: float = 5.0
    base_lr: float = 0.256  # for a batch of 256; 0.1 for the authors' 100
    weight_decay: float = 1e-4

    def build(self, given: Given) -> Method:
        """Assemble the parts for a backbone and its images."""
        one = views.shifted(given.size, self.shift, name="a")
        scores = Output("student", "a", "classifier")
        return Method(
            views=(one, replace(one, name="b")),
            heads={"classifier": Head(networks.classifier(given.width, given.scores))},
            teacher=EMA(momentum=WarmMomentum(self.momentum)),
            terms=(
                Term(
                    name="labelled",
                    queries=(scores,),
                    candidates=(Classes(given.scores),),
                    kin=KnownClass(classes=given.scores),
                    objective=SoftCrossEntropy(temperature=1.0),
                    rows="all",
                ),
                Term(
                    name="consistency",
                    queries=(scores,),
                    candidates=(Output("teacher", "b", "classifier"),),
                    kin=CommonSource(),
                    objective=SquaredError(),
                    weight=self.weight,
                    schedule=SigmoidRamp(1.0, self.ramp_epochs),
                ),
            ),
            optimisation=Optimisation(
                name="sgd",
                lr=self.base_lr,
                weight_decay=self.weight_decay,
                decay_all=True,
                nesterov=True,
                warmup_epochs=0,
            ),
            batch_size=100,
            encoder="teacher",
            mixable=Mixable(queries=("a",), replace=False),
            facts={LABEL: 1.0},
            sampling=KnownShare(share=self.labelled, pooled=False),
        )
