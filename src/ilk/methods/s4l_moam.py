"""S4L-MOAM: all losses at once, then its own labels as well, then the given labels alone.

Paper: Zhai et al., ICCV 2019, https://arxiv.org/abs/1905.03670
Idea: what helps with few labels helps together (section 7). One network learns labels,
    rotations of all images, to answer the same after the worst small change (VAT), and to be
    sure. It labels all images, another learns all this and these labels, then labels alone.
Against S4L-Rotation: two losses more, and two stages. Against Noisy Student: the network that
    labels has learned from all images before, and the last word have the given labels.
Departures: all stages have one network; the last has a new classifier, a tenth of the others'
    rate and their length, which are ours; the radius is in units of normalised pixels; upright
    images are changed and to be sure, not unlabelled ones in all rotations; the divergence is
    from the unchanged answer; the average's momentum is fixed. No reproduction is claimed.
Checked: tests/train/test_stages.py, tests/views/test_adversarial.py,
    tests/laws/test_few_labels.py, tests/oracles, tests/golden/losses.json
"""

from dataclasses import dataclass, replace

from ilk import networks, views
from ilk.core import Output, WarmMomentum
from ilk.core.facts import LABEL, PSEUDO_LABEL
from ilk.kin import KnownClass, OwnTask, PastPrediction, Predicted
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
from ilk.objectives import Entropy, ForwardDivergence, SoftCrossEntropy

SIDE = 32  # pixels for which the radius is


@dataclass(frozen=True, kw_only=True, slots=True)
class S4LMOAM:
    """Settings of S4L-MOAM; defaults are the authors' for ImageNet.

    Four rotations of an image and the image itself share one pass, changed images have one of
    their own, of which batch norms keep nothing. All rotations of an image have its class.
    """

    pseudo_labels: str = ""  # table of predictions; the stages fill it in
    labelled_alone: bool = False  # learn from labels alone, as the last stage does
    min_scale: float = 0.08  # smallest area of a crop
    ratio: float = 1  # unlabelled images for each labelled one
    classes: float = 0.3  # weight of the classes
    rotation: float = 0.4  # weight of the rotations
    smoothness: float = 0.3  # weight of the divergence
    entropy: float = 0.3  # weight of the entropy
    radius: float = 10.0  # of the change of an image of 32 px
    momentum: float = 0.9999  # of the moving average that is kept
    catch_up: float = 0.0  # step t keeps at most t / (t + catch_up) of that average
    base_lr: float = 0.1  # for a batch of 256
    weight_decay: float = 2e-4

    def build(self, given: Given) -> Method:
        """Assemble the parts for a backbone and its images."""
        share, clean = labelled_share(self.ratio), Output("student", "a", "classifier")
        turned, over = replace(clean, view="turned"), SoftCrossEntropy(temperature=1.0)
        classes, still = (Classes(given.scores),), replace(clean, stopped=True)
        predicted = Predicted(by=(still,), temperature=1.0)
        labelled = Term(
            name="labelled", queries=(turned,), candidates=classes, objective=over,
            kin=KnownClass(classes=given.scores), weight=self.classes * share,
        )  # fmt: skip
        terms = (
            labelled,
            replace(labelled, name="pseudo", kin=PastPrediction(predictions=PSEUDO_LABEL),
                    weight=self.classes * (1 - share)),
            Term(name="rotation", queries=(replace(turned, head="rotation"),), objective=over,
                 candidates=(Classes(views.TURNS),), kin=OwnTask(classes=views.TURNS),
                 weight=self.rotation),
            Term(name="smoothness", queries=(replace(clean, view="moved"),), kin=predicted,
                 candidates=classes, objective=ForwardDivergence(), weight=self.smoothness),
            Term(name="entropy", queries=(clean,), kin=predicted, candidates=classes,
                 objective=Entropy(), weight=self.entropy),
        )  # fmt: skip
        radius = self.radius * given.size / SIDE
        moved = views.AdversarialView(name="moved", by=still, radius=radius)
        made = Method(
            views=(views.weak(given.size, self.min_scale, "a"),),
            derived=(views.Rotations(name="turned", view="a"), moved),
            heads={
                "classifier": Head(networks.classifier(given.width, given.scores)),
                "rotation": Head(networks.classifier(given.width, views.TURNS)),
            },
            teacher=EMA(momentum=WarmMomentum(self.momentum, self.catch_up), buffers=True),
            terms=terms,
            memory={PSEUDO_LABEL: GivenClasses(given.scores, given.items, fact=PSEUDO_LABEL)},
            together="all",
            optimisation=Optimisation(name="sgd", lr=self.base_lr, warmup_epochs=0,
                                      weight_decay=self.weight_decay),
            batch_size=512,
            encoder="teacher",
            mixable=Mixable(queries=("turned",)),
            facts={LABEL: 1.0},
            sampling=KnownShare(share=share, pooled=False),
            pseudo=PseudoLabels(table=self.pseudo_labels, soft=False),
        )  # fmt: skip
        return as_taught(made, alone=self.labelled_alone)

    def stages(self) -> tuple[Stage, ...]:
        """All losses; all losses and the labels of that network; the given labels alone."""
        last = {"labelled_alone": True, "base_lr": self.base_lr / 10}
        return (
            Stage(name="joint"),
            Stage(name="retrained", labels="joint"),
            Stage(name="fine-tuned", weights="retrained", lr_share=0.1, options=last,
                  settings={"guard": "off"}),
        )  # fmt: skip
