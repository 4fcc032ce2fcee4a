"""FixMatch: a confident prediction for a weak view is the label of a strong view.

Paper: Sohn et al., NeurIPS 2020, https://arxiv.org/abs/2001.07685
Idea: two ideas in one term. The most probable class of a weakly augmented image is its label
    if its probability reaches a threshold (Eq. 4), and the strongly augmented image is to
    predict it. As confidence grows, more images take part, so no ramp is needed.
Against UDA: labels are hard, and from the same threshold on; weights and temperature are
    gone. Against Pseudo-Label: the image that gives the label is not the one that gets it.
Departures: images that are not square are cropped to their middle. CTAugment has the operations
    of RandAugment, and strengths that were known one to two periods of 16 steps before. No
    reproduction is claimed.
Checked: tests/kin/test_classes.py, tests/laws/test_few_labels.py, tests/oracles,
    tests/golden/losses.json
"""

from dataclasses import dataclass

from ilk import networks, views
from ilk.core import Output, WarmMomentum
from ilk.core.facts import LABEL
from ilk.kin import KnownClass, Predicted
from ilk.method import (
    EMA,
    Classes,
    Given,
    Head,
    KnownShare,
    Method,
    Mixable,
    Optimisation,
    Policy,
    Term,
    labelled_share,
    with_policy,
)
from ilk.objectives import SoftCrossEntropy


@dataclass(frozen=True, kw_only=True, slots=True)
class FixMatch:
    """Settings of FixMatch; defaults are the paper's for CIFAR-10.

    All views share one forward pass, as in the authors' code: batch norm sees labelled, weak
    and strong rows together. The prediction is that of the weights being trained, in training
    mode. The mean of the unlabelled loss is over all unlabelled rows, so that rejected ones
    count as zero. Biases and norms do not decay. The moving average, of running statistics
    too, serves evaluation alone, and is the encoder that is kept.
    """

    threshold: float = 0.95
    ratio: float = 7  # unlabelled images for each labelled one
    pooled: bool = True  # labelled images are among the unlabelled ones too
    weight: float = 1.0  # of the unlabelled loss
    policy: Policy = "randaugment"  # of strong views; ctaugment learns how strong they may be
    momentum: float = 0.999  # of the moving average that is kept
    catch_up: float = 0.0  # step t keeps at most t / (t + catch_up) of that average
    base_lr: float = 0.015  # for a batch of 256; 0.03 for the authors' 64 + 448
    weight_decay: float = 5e-4

    def build(self, given: Given) -> Method:
        """Assemble the parts for a backbone and its images."""
        classes, over = (Classes(given.scores),), SoftCrossEntropy(temperature=1.0)
        made = Method(
            views=views.fixmatch_views(given.size),
            heads={"classifier": Head(networks.classifier(given.width, given.scores))},
            teacher=EMA(momentum=WarmMomentum(self.momentum, self.catch_up), buffers=True),
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
                    kin=Predicted(
                        by=(Output("student", "weak", "classifier", stopped=True),),
                        threshold=self.threshold,
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
        return with_policy(made, self.policy)
