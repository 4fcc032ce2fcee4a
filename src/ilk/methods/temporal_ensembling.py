"""Temporal Ensembling: an image must get the class probabilities that it got before.

Paper: Laine and Aila, ICLR 2017, https://arxiv.org/abs/1610.02242
Idea: the target of an image is the average of what the network predicted for it in earlier
    epochs, free of the bias towards zero at the beginning (section 2.2). It is less noisy than
    one answer, and one pass an image suffices.
Against the Pi-model: one view in place of two, and a memory of one distribution for each image.
Departures: an image's average moves when the image is seen, where the authors move all of them
    at the end of an epoch: the same for images that come once an epoch, and labelled ones come
    more often here. An image that has not been seen has no target. Batches, views, noise and
    rate as in the Pi-model here. No reproduction is claimed.
Checked: tests/memory/test_predictions.py, tests/laws/test_few_labels.py, tests/oracles,
    tests/golden/losses.json
"""

from dataclasses import dataclass, replace

from ilk import networks, views
from ilk.core import Output, SigmoidRamp
from ilk.core.facts import LABEL
from ilk.kin import KnownClass, PastPrediction
from ilk.memory import Predictions
from ilk.method import (
    Classes,
    Given,
    Head,
    KnownShare,
    Method,
    Mixable,
    Optimisation,
    Remember,
    Term,
)
from ilk.objectives import SoftCrossEntropy, SquaredError


@dataclass(frozen=True, kw_only=True, slots=True)
class TemporalEnsembling:
    """Settings of Temporal Ensembling; defaults are the paper's for CIFAR-10.

    All images share one pass, and batch norms keep its statistics. What is remembered are
    answers in training mode. The means of both losses are over all rows of the batch. Nothing
    decays.
    """

    shift: float = 0.0625  # most of a shift, as a share of the side: 2 pixels of 32
    labelled: float = 0.08  # share of labelled images in a batch
    memory: float = 0.6  # share of an image's old average that is kept
    weight: float = 30.0  # of the consistency, times the share of labelled images
    ramp_epochs: float = 80.0
    zero_epochs: float = 1.0  # without consistency
    rise_epochs: float = 80.0  # in which the rate grows
    base_lr: float = 0.003  # whatever the batch

    def build(self, given: Given) -> Method:
        """Assemble the parts for a backbone and its images."""
        scores = Output("student", "a", "classifier")
        classes = (Classes(given.scores),)
        return Method(
            views=(views.shifted(given.size, self.shift, name="a"),),
            heads={"classifier": Head(networks.classifier(given.width, given.scores))},
            terms=(
                Term(
                    name="labelled",
                    queries=(scores,),
                    candidates=classes,
                    kin=KnownClass(classes=given.scores),
                    objective=SoftCrossEntropy(temperature=1.0),
                    rows="all",
                ),
                Term(
                    name="consistency",
                    queries=(scores,),
                    candidates=classes,
                    kin=PastPrediction(predictions="predictions"),
                    objective=SquaredError(),
                    weight=self.weight * self.labelled,
                    schedule=SigmoidRamp(1.0, self.ramp_epochs, self.zero_epochs),
                    rows="all",
                ),
            ),
            memory={
                "predictions": Predictions(given.scores, given.items, momentum=self.memory)
            },
            remember=(Remember("predictions", (replace(scores, stopped=True),)),),
            optimisation=Optimisation(
                name="adamw",
                lr=self.base_lr,
                scaling="none",
                warmup_epochs=self.rise_epochs,
            ),
            batch_size=100,
            mixable=Mixable(queries=("a",), replace=False),
            facts={LABEL: 1.0},
            sampling=KnownShare(share=self.labelled, pooled=False),
        )
