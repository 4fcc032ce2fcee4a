"""UDA: a strong view is to have the sharpened prediction of the plain one, where that is sure.

Paper: Xie et al., NeurIPS 2020, https://arxiv.org/abs/1904.12848
Idea: consistency is worth as much as its noise, and the best noise is the strong augmentation
    of supervised learning. Predictions are sharpened by a temperature and count from a
    confidence on (section 3); labelled images that are found too surely can be left out until
    later (section 2.3).
Against FixMatch: targets are soft, and their confidence need not be as high. Against VAT: the
    noise is augmentation, and no gradient is needed to find it.
Departures: the authors' 20,000 steps of warm-up are left out, since runs here are shorter, and
    a moving average is kept, as in FixMatch. Strong views are FixMatch's, whose magnitudes are
    random too. Images that are not square are cropped to their middle. No reproduction is
    claimed.
Checked: tests/kin, tests/laws/test_few_labels.py, tests/oracles, tests/golden/losses.json
"""

from dataclasses import dataclass
from typing import Literal

from ilk import networks, views
from ilk.core import Output, SignalAnnealing, WarmMomentum
from ilk.core.facts import LABEL
from ilk.kin import KnownClass, Predicted, Unlearned
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
    labelled_share,
)
from ilk.objectives import ForwardDivergence, SoftCrossEntropy


@dataclass(frozen=True, kw_only=True, slots=True)
class UDA:
    """Settings of UDA; defaults are the authors' for CIFAR-10.

    All views share one forward pass: batch norm sees labelled, plain and strong rows together.
    The unlabelled loss is a mean over all unlabelled rows, the labelled one over those that
    are still taught.
    """

    threshold: float = 0.8
    temperature: float = 0.4
    annealing: Literal["none", "linear", "exp", "log"] = "none"  # of the labelled images
    ratio: float = 7  # unlabelled images for each labelled one
    pooled: bool = True  # labelled images are among the unlabelled ones too
    weight: float = 1.0  # of the unlabelled loss
    momentum: float = 0.999  # of the moving average that is kept
    catch_up: float = 0.0  # step t keeps at most t / (t + catch_up) of that average
    base_lr: float = 0.015  # for a batch of 256; 0.03 for the authors' 64 + 448
    weight_decay: float = 5e-4

    def build(self, given: Given) -> Method:
        """Assemble the parts for a backbone and its images."""
        classes = (Classes(given.scores),)
        return Method(
            views=views.fixmatch_views(given.size),
            heads={"classifier": Head(networks.classifier(given.width, given.scores))},
            teacher=EMA(momentum=WarmMomentum(self.momentum, self.catch_up), buffers=True),
            terms=(
                Term(
                    name="labelled",
                    queries=(Output("student", "labelled", "classifier"),),
                    candidates=classes,
                    kin=Unlearned(
                        rule=KnownClass(classes=given.scores),
                        most=SignalAnnealing(self.annealing, given.scores),
                    ),
                    objective=SoftCrossEntropy(temperature=1.0),
                ),
                Term(
                    name="unlabelled",
                    queries=(Output("student", "strong", "classifier"),),
                    candidates=classes,
                    kin=Predicted(
                        by=(Output("student", "weak", "classifier", stopped=True),),
                        temperature=self.temperature,
                        threshold=self.threshold,
                    ),
                    objective=ForwardDivergence(),
                    weight=self.weight,
                    rows="all",
                ),
            ),
            together="step",
            optimisation=Optimisation(
                name="sgd",
                lr=self.base_lr,
                end_share=0.004,
                weight_decay=self.weight_decay,
                nesterov=True,
                warmup_epochs=0,
            ),
            batch_size=512,
            encoder="teacher",
            mixable=Mixable(queries=("strong",)),
            facts={LABEL: 1.0},
            sampling=KnownShare(share=labelled_share(self.ratio), pooled=self.pooled),
        )
