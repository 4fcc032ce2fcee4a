"""S4L-Rotation: labels are learned beside the rotation of every image, by one network.

Paper: Zhai et al., ICCV 2019, https://arxiv.org/abs/1905.03670
Idea: what a pretext task teaches about images helps with few labels, if both are learned at
    once (Eq. 1). Each image comes in all four rotations; all of them are to be distinguished,
    and each rotation of a labelled image has its class.
Against RotNet: a second linear head learns labels at the same time. Against FixMatch: the
    unlabelled loss asks for no class of the labels, so classes may be missing.
Departures: the learning rate follows a cosine, where the authors have three steps and a
    warm-up. No reproduction is claimed.
Checked: tests/kin/test_classes.py, tests/views/test_derived.py, tests/laws/test_few_labels.py,
    tests/oracles, tests/golden/losses.json
"""

from dataclasses import dataclass, replace

from ilk import networks, views
from ilk.core import Output
from ilk.core.facts import LABEL
from ilk.kin import KnownClass, OwnTask
from ilk.method import (
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
from ilk.objectives import SoftCrossEntropy


@dataclass(frozen=True, kw_only=True, slots=True)
class S4LRotation:
    """Settings of S4L with rotations; defaults are the authors' for ImageNet.

    All rows share one forward pass, labelled and others, in all rotations. The rotation loss
    is the mean of those of both kinds.
    """

    min_scale: float = 0.08  # smallest area of a crop
    ratio: float = 1  # unlabelled images for each labelled one
    pooled: bool = True  # labelled images are among the unlabelled ones too
    weight: float = 1.0  # of the rotation loss
    base_lr: float = 0.015  # for a batch of 256; 0.03 for the authors' 256 + 256
    weight_decay: float = 1e-3

    def build(self, given: Given) -> Method:
        """Assemble the parts for a backbone and its images."""
        other = replace(
            views.weak(given.size, self.min_scale, "unlabelled"), subset="unlabelled"
        )
        known = replace(other, name="labelled", subset="labelled")
        turned = tuple(
            views.Rotations(name=f"{view.name}-turned", view=view.name)
            for view in (known, other)
        )
        over = SoftCrossEntropy(temperature=1.0)
        return Method(
            views=(known, other),
            derived=turned,
            heads={
                "classifier": Head(networks.classifier(given.width, given.scores)),
                "rotation": Head(networks.classifier(given.width, views.TURNS)),
            },
            terms=(
                Term(
                    name="labelled",
                    queries=(Output("student", "labelled-turned", "classifier"),),
                    candidates=(Classes(given.scores),),
                    kin=KnownClass(classes=given.scores),
                    objective=over,
                ),
                *(
                    Term(
                        name="rotation",
                        queries=(Output("student", view.name, "rotation"),),
                        candidates=(Classes(views.TURNS),),
                        kin=OwnTask(classes=views.TURNS),
                        objective=over,
                        weight=self.weight / 2,
                    )
                    for view in turned
                ),
            ),
            together="all",
            optimisation=Optimisation(
                name="sgd", lr=self.base_lr, weight_decay=self.weight_decay, warmup_epochs=0
            ),
            batch_size=512,
            mixable=Mixable(queries=("unlabelled-turned",), replace=False),
            facts={LABEL: 1.0},
            sampling=KnownShare(share=labelled_share(self.ratio), pooled=self.pooled),
        )
