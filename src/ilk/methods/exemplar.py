"""Exemplar: crops of an image must lie nearer to one another than to those of any other.

Paper: Dosovitskiy et al., NeurIPS 2014, https://arxiv.org/abs/1406.6909, in the form with
    triplets of Kolesnikov, Zhai and Beyer, CVPR 2019, https://arxiv.org/abs/1901.09005
Idea: every image is a class of its own, whose examples are its augmented crops. A classifier
    with a row for each image does not scale, so triplets within the batch take its place. The
    form with a classifier is DIET with ``smoothing=0``.
Against DIET: no part of the method grows with the data. Against SimCLR: a triplet has one
    positive and one negative, the next one beyond it. Against S4L-Exemplar: that one takes the
    hardest of both, which without labels makes all embeddings equal at once.
Departures: embeddings have unit length, as triplets of this kind were proposed, where the
    authors' code gives each column of the batch unit length. Colours are jittered by hue,
    saturation and brightness; images are not rotated, none becomes grey, where two thirds of
    theirs do, and crops are not standardised one by one. The learning rate follows a cosine,
    where the authors have steps. No reproduction is claimed.
Checked: tests/objectives/test_triplet.py, tests/oracles, tests/golden/losses.json
"""

from dataclasses import dataclass, replace

from ilk import networks, views
from ilk.core import Output
from ilk.kin import CommonSource, Itself, leave_out
from ilk.method import Given, Head, Method, Mixable, Optimisation, Term
from ilk.objectives import SemiHardTriplet


@dataclass(frozen=True, kw_only=True, slots=True)
class Exemplar:
    """Settings of Exemplar; defaults are those of Kolesnikov et al. for ImageNet."""

    view_count: int = 8  # crops of each image
    dim: int = 1000  # of the embedding
    margin: float = 0.5  # how much further away a negative has to be, by squared distance
    min_scale: float = 0.08  # smallest area of a crop
    base_lr: float = 0.1  # for a batch of 256
    weight_decay: float = 1e-4

    def build(self, given: Given) -> Method:
        """Assemble the parts for a backbone and its images."""
        first = replace(
            views.weak(given.size, self.min_scale), jitter=(0.4, 0.0, 0.4, 0.1), jitter_p=1.0
        )
        crops = tuple(replace(first, name=f"v{copy + 1}") for copy in range(self.view_count))
        rows = tuple(Output("student", view.name, "embedding") for view in crops)
        return Method(
            views=crops,
            heads={"embedding": Head(networks.classifier(given.width, self.dim))},
            terms=(
                Term(
                    name="clean",
                    queries=rows,
                    candidates=rows,
                    kin=leave_out(CommonSource(), Itself()),
                    objective=SemiHardTriplet(margin=self.margin),
                ),
            ),
            together="all",
            optimisation=Optimisation(
                name="sgd", lr=self.base_lr, weight_decay=self.weight_decay, warmup_epochs=5
            ),
            batch_size=256,
            mixable=Mixable(queries=()),
        )
