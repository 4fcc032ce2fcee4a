"""FlexMatch: FixMatch with a lower threshold for classes that are learned badly.

Paper: Zhang et al., NeurIPS 2021, https://arxiv.org/abs/2110.08263
Idea: how many images were last found in a class with confidence says how far it is learned;
    its threshold follows (Eq. 5 to 8). While most images were found in no class, they are what
    classes are compared with, so that all thresholds begin at zero (Eq. 11).
Against FixMatch: one threshold for each class, which moves; nothing else differs.
Departures: images that are not square are cropped to their middle. No reproduction is claimed.
Checked: tests/kin/test_curriculum.py, tests/memory/test_status.py,
    tests/laws/test_few_labels.py, tests/oracles, tests/golden/losses.json
"""

from dataclasses import dataclass

from ilk import networks, views
from ilk.core import Output, WarmMomentum
from ilk.core.facts import LABEL
from ilk.kin import KnownClass, PredictedByCurriculum
from ilk.memory import LearningStatus
from ilk.method import (
    EMA,
    Classes,
    Given,
    Head,
    KnownShare,
    Method,
    Mixable,
    Optimisation,
    Remember,
    Term,
    labelled_share,
)
from ilk.objectives import SoftCrossEntropy


@dataclass(frozen=True, kw_only=True, slots=True)
class FlexMatch:
    """Settings of FlexMatch; defaults are the authors' for CIFAR-10.

    All views share one forward pass, as in FixMatch. An image is written down once its largest
    probability reaches the whole threshold, after the step in which it did.
    """

    threshold: float = 0.95  # of the class that is learned best
    ratio: float = 7  # unlabelled images for each labelled one
    pooled: bool = True  # labelled images are among the unlabelled ones too
    weight: float = 1.0  # of the unlabelled loss
    momentum: float = 0.999  # of the moving average that is kept
    catch_up: float = 0.0  # step t keeps at most t / (t + catch_up) of that average
    base_lr: float = 0.015  # for a batch of 256; 0.03 for the authors' 64 + 448
    weight_decay: float = 5e-4

    def build(self, given: Given) -> Method:
        """Assemble the parts for a backbone and its images."""
        classes, over = (Classes(given.scores),), SoftCrossEntropy(temperature=1.0)
        guess = Output("student", "weak", "classifier", stopped=True)
        return Method(
            views=views.fixmatch_views(given.size),
            heads={"classifier": Head(networks.classifier(given.width, given.scores))},
            teacher=EMA(momentum=WarmMomentum(self.momentum, self.catch_up), buffers=True),
            memory={"status": LearningStatus(given.items, self.threshold)},
            remember=(Remember("status", (guess,)),),
            terms=(
                Term(
                    name="labelled",
                    queries=(Output("student", "labelled", "classifier"),),
                    candidates=classes,
                    kin=KnownClass(classes=given.scores),
                    objective=over,
                ),
                Term(
                    name="unlabelled",
                    queries=(Output("student", "strong", "classifier"),),
                    candidates=classes,
                    kin=PredictedByCurriculum(
                        by=(guess,), memory="status", threshold=self.threshold
                    ),
                    objective=over,
                    weight=self.weight,
                    rows="all",
                ),
            ),
            together="step",
            optimisation=Optimisation(
                name="sgd",
                lr=self.base_lr,
                weight_decay=self.weight_decay,
                nesterov=True,
                arc=7 / 16,
                warmup_epochs=0,
            ),
            batch_size=512,
            encoder="teacher",
            mixable=Mixable(queries=("strong",)),
            facts={LABEL: 1.0},
            sampling=KnownShare(share=labelled_share(self.ratio), pooled=self.pooled),
        )
