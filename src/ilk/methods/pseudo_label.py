"""Pseudo-Label: the class that the network holds most probable is the label of an image.

Paper: Lee, ICML workshops 2013,
    https://www.semanticscholar.org/paper/798d9840d2439a0e5d47bcf5d164aa46d5e7dc26
Idea: an unlabelled image is trained as if its most probable class were its label (Eq. 15 to
    17), which lowers the entropy of predictions and pushes boundaries between classes to where
    images are few. The weight grows, since early labels are bad.
Against FixMatch: the image that gives the label is the image that gets it, in the same view.
Departures: labels are those whose probability reaches a threshold, the weight ends at 1, and
    it grows linearly from the beginning, as in later comparisons (Oliver et al., NeurIPS 2018,
    https://arxiv.org/abs/1804.09170), whose rate is the default; the paper takes all labels,
    with a weight that ends at 3 and sigmoids in place of the softmax. The rate follows a
    cosine. No reproduction is claimed.
Checked: tests/kin/test_classes.py, tests/laws/test_few_labels.py, tests/oracles,
    tests/golden/losses.json
"""

from dataclasses import dataclass, replace

from ilk import networks, views
from ilk.core import Line, Output
from ilk.core.facts import LABEL
from ilk.kin import KnownClass, Predicted
from ilk.method import Classes, Given, Head, KnownShare, Method, Mixable, Optimisation, Term
from ilk.objectives import SoftCrossEntropy


@dataclass(frozen=True, kw_only=True, slots=True)
class PseudoLabel:
    """Settings of Pseudo-Label; defaults are those of later comparisons on CIFAR-10.

    All images share one pass, and batch norms keep its statistics: those of the mix. The label
    is that of the same pass, in training mode. The mean of the unlabelled loss is over all
    unlabelled rows, so that rejected ones count as zero. Nothing decays.
    """

    shift: float = 0.125  # most of a shift, as a share of the side: 4 pixels of 32
    labelled: float = 0.5  # share of labelled images in a batch
    threshold: float = 0.95  # probability from which on a prediction is a label
    weight: float = 1.0  # of the unlabelled loss
    ramp_share: float = 0.4  # of the run, in which the weight grows
    base_lr: float = 3e-4  # whatever the batch

    def build(self, given: Given) -> Method:
        """Assemble the parts for a backbone and its images."""
        one = views.shifted(given.size, self.shift)
        known = replace(one, name="labelled", subset="labelled")
        other = replace(one, name="unlabelled", subset="unlabelled")
        scores = Output("student", "unlabelled", "classifier")
        classes, over = (Classes(given.scores),), SoftCrossEntropy(temperature=1.0)
        return Method(
            views=(known, other),
            heads={"classifier": Head(networks.classifier(given.width, given.scores))},
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
                    queries=(scores,),
                    candidates=classes,
                    kin=Predicted(
                        by=(replace(scores, stopped=True),), threshold=self.threshold
                    ),
                    objective=over,
                    weight=self.weight,
                    schedule=Line(0.0, 1.0, self.ramp_share),
                    rows="all",
                ),
            ),
            together="step",
            optimisation=Optimisation(
                name="adamw", lr=self.base_lr, scaling="none", warmup_epochs=0
            ),
            batch_size=100,
            mixable=Mixable.beside(("labelled", "unlabelled"), share=1.0),
            facts={LABEL: 1.0},
            sampling=KnownShare(share=self.labelled),
        )
