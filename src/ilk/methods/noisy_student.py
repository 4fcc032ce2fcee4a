"""Noisy Student: a network labels all images, and one that is disturbed learns from that.

Paper: Xie et al., CVPR 2020, https://arxiv.org/abs/1911.04252
Idea: a teacher that learned from the labels alone labels the other images, undisturbed. A
    student, as large or larger, learns from both while its images, its depth and its features
    are disturbed (section 2), so that it has to learn more than its teacher says. Then it is
    the teacher. Images of which the teacher is not sure are left out, and classes are
    balanced (section 3.2).
Against Pseudo-Label: labels are made once in a round, by a network that has finished and sees
    images as they are. Against FixMatch: no image is labelled while the network learns.
Departures: SGD with a cosine in place of RMSprop; labels of images are not smoothed; magnitudes
    of RandAugment are thirtieths of torchvision's largest; the last epochs at a larger
    resolution are left out; all rounds have the same ratio. No reproduction is claimed.
Checked: tests/method/test_pseudo.py, tests/train/test_stages.py, tests/laws/test_few_labels.py,
    tests/oracles, tests/golden/losses.json
"""

from dataclasses import dataclass, replace
from itertools import pairwise

from ilk import networks, views
from ilk.core import Output, WarmMomentum
from ilk.core.facts import LABEL, PSEUDO_LABEL
from ilk.kin import KnownClass, PastPrediction
from ilk.memory import GivenClasses
from ilk.method import (
    EMA,
    Classes,
    Given,
    Head,
    KnownShare,
    Method,
    Mixable,
    Optimisation,
    PseudoLabels,
    Stage,
    Term,
    as_taught,
    labelled_share,
)  # fmt: skip
from ilk.objectives import SoftCrossEntropy


@dataclass(frozen=True, kw_only=True, slots=True)
class NoisyStudent:
    """Settings of Noisy Student; defaults are the paper's for ImageNet.

    Labelled and other rows share one pass, and their loss is the mean over all of them. The
    teacher sees the labelled images alone, as noisy. The network that labels, and that is kept,
    is the moving average.
    """

    rounds: int = 3  # students, of which each is the teacher of the next
    pseudo_labels: str = ""  # table of predictions; the rounds fill it in
    teacher_backbone: str = ""  # of the first teacher, which has random weights; the student's
    threshold: float = 0.3  # probability from which on a prediction is a label
    balanced: bool = True  # as many images of each class
    per_class: int = 0  # how many; 0 is the mean over the predicted classes
    soft: bool = True  # labels are the probabilities of all classes
    ratio: float = 3  # unlabelled images for each labelled one
    min_scale: float = 0.08  # smallest area of a crop
    magnitude: int = 27  # of both operations of RandAugment, from 0 to 30
    dropout: float = 0.5  # of features before the classifier
    drop_path: float = 0.2  # rate of stochastic depth of the last block
    momentum: float = 0.9999  # of the moving average that is kept
    catch_up: float = 0.0  # step t keeps at most t / (t + catch_up) of that average
    base_lr: float = 0.1  # for a batch of 256
    weight_decay: float = 1e-4

    def build(self, given: Given) -> Method:
        """Assemble the parts for a backbone and its images."""
        shown = views.weak(given.size, self.min_scale, "unlabelled")
        policy = views.RandAugment(magnitude=self.magnitude)
        other = replace(shown, policy=policy, subset="unlabelled")
        classes, over = (Classes(given.scores),), SoftCrossEntropy(temperature=1.0)
        head = networks.classifier(given.width, given.scores, dropout=self.dropout)
        terms = (
            Term(name="labelled", queries=(Output("student", "labelled", "classifier"),),
                 candidates=classes, kin=KnownClass(classes=given.scores), objective=over,
                 weight=labelled_share(self.ratio)),
            Term(name="unlabelled", queries=(Output("student", "unlabelled", "classifier"),),
                 candidates=classes, kin=PastPrediction(predictions=PSEUDO_LABEL),
                 objective=over, weight=self.ratio / (1 + self.ratio)),
        )  # fmt: skip
        optimisation = Optimisation(
            name="sgd", lr=self.base_lr, weight_decay=self.weight_decay, nesterov=True,
            warmup_epochs=5,
        )  # fmt: skip
        pseudo = PseudoLabels(
            table=self.pseudo_labels, threshold=self.threshold, balanced=self.balanced,
            per_class=self.per_class or None, soft=self.soft,
        )  # fmt: skip
        made = Method(
            views=(replace(other, name="labelled", subset="labelled"), other),
            heads={"classifier": Head(head)},
            teacher=EMA(momentum=WarmMomentum(self.momentum, self.catch_up), buffers=True),
            terms=terms,
            memory={PSEUDO_LABEL: GivenClasses(given.scores, given.items, fact=PSEUDO_LABEL)},
            drop_path=self.drop_path,
            together="all",
            optimisation=optimisation,
            batch_size=2048,
            encoder="teacher",
            mixable=Mixable.beside(("labelled", "unlabelled"), share=1.0),
            facts={LABEL: 1.0},
            sampling=KnownShare(share=labelled_share(self.ratio), pooled=False),
            pseudo=pseudo,
        )
        return as_taught(made)

    def stages(self) -> tuple[Stage, ...]:
        """A teacher, and a student in each round."""
        students = [f"student-{number + 1}" for number in range(self.rounds)]
        taught = pairwise(("teacher", *students))
        first = {"backbone": self.teacher_backbone, "weights": None}
        return (
            Stage(name="teacher", settings=first if self.teacher_backbone else {}),
            *(Stage(name=name, labels=before) for before, name in taught),
        )
