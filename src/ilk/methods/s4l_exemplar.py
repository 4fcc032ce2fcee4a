"""S4L-Exemplar: labels are learned beside crops that must find the image they are of.

Paper: Zhai et al., ICCV 2019, https://arxiv.org/abs/1905.03670
Idea: eight crops of each image are to lie nearer to one another than to those of any other
    image, which a triplet of the hardest ones asks for; a second head learns the class of
    every crop of a labelled image at the same time (Eq. 1 and section 3).
Against S4L-Rotation: the pretext is invariance, not the recognition of a rotation. Against
    SimCLR: a triplet has one positive and one negative, the hardest in the batch.
Departures: the learning rate follows a cosine, where the authors have three steps and a
    warm-up; colours are jittered by hue, saturation and brightness, where they draw powers,
    factors and shifts of each. No reproduction is claimed.
Checked: tests/objectives/test_triplet.py, tests/laws/test_few_labels.py, tests/oracles,
    tests/golden/losses.json
"""

from dataclasses import dataclass, replace

from ilk import networks, views
from ilk.core import Output
from ilk.core.facts import LABEL
from ilk.kin import CommonSource, Itself, KnownClass, leave_out
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
from ilk.objectives import HardestTriplet, SoftCrossEntropy


@dataclass(frozen=True, kw_only=True, slots=True)
class S4LExemplar:
    """Settings of S4L with exemplars; defaults are the authors' for ImageNet.

    All rows share one forward pass. Triplets are within the labelled images and within the
    others, and the two losses are averaged.
    """

    view_count: int = 8  # crops of each image
    dim: int = 1000  # of the embedding
    min_scale: float = 0.08  # smallest area of a crop
    ratio: float = 1  # unlabelled images for each labelled one
    pooled: bool = True  # labelled images are among the unlabelled ones too
    weight: float = 1.0  # of the triplet loss
    base_lr: float = 0.025  # for a batch of 256; 0.1 for the authors' 512 + 512
    weight_decay: float = 1e-3

    def build(self, given: Given) -> Method:
        """Assemble the parts for a backbone and its images."""
        first = replace(
            views.weak(given.size, self.min_scale), jitter=(0.4, 0.0, 0.4, 0.1), jitter_p=1.0
        )
        kinds = {
            subset: tuple(
                replace(first, name=f"{subset}-{copy + 1}", subset=subset)
                for copy in range(self.view_count)
            )
            for subset in ("labelled", "unlabelled")
        }
        embedded = {
            subset: tuple(Output("student", view.name, "embedding") for view in crops)
            for subset, crops in kinds.items()
        }
        return Method(
            views=tuple(view for crops in kinds.values() for view in crops),
            heads={
                "classifier": Head(networks.classifier(given.width, given.scores)),
                "embedding": Head(networks.classifier(given.width, self.dim)),
            },
            terms=(
                Term(
                    name="labelled",
                    queries=tuple(
                        Output("student", view.name, "classifier") for view in kinds["labelled"]
                    ),
                    candidates=(Classes(given.scores),),
                    kin=KnownClass(classes=given.scores),
                    objective=SoftCrossEntropy(temperature=1.0),
                ),
                *(
                    Term(
                        name="triplet",
                        queries=crops,
                        candidates=crops,
                        kin=leave_out(CommonSource(), Itself()),
                        objective=HardestTriplet(),
                        weight=self.weight / 2,
                    )
                    for crops in embedded.values()
                ),
            ),
            together="all",
            optimisation=Optimisation(
                name="sgd", lr=self.base_lr, weight_decay=self.weight_decay, warmup_epochs=0
            ),
            batch_size=1024,
            mixable=Mixable(queries=()),
            facts={LABEL: 1.0},
            sampling=KnownShare(share=labelled_share(self.ratio), pooled=self.pooled),
        )
