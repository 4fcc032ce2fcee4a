"""DIET: the network predicts which image of the data set it sees.

Paper: Balestriero, 2023, https://arxiv.org/abs/2302.10260; for pretrained weights
    Rodas et al., 2025, https://arxiv.org/abs/2509.06990 (DIET-CP)
Idea: the number of an image is its class, and a linear head has a row for each image. Label
    smoothing of 0.8 keeps the classes of similar images from being pushed apart. There is no
    teacher, no pair of views and no projector, so that the method needs 1,000 images and has
    no setting that depends on them.
Against rotation: the classes are the images themselves, and so the head grows with the data.
Departures: pixels are not erased, and the learning rate begins at zero and not at a third of
    the peak. The code of DIET-CP mixes images and has a smoothing of 0.3, which are ``mix`` and
    ``smoothing`` here. No reproduction is claimed.
Checked: tests/kin/test_source.py, tests/oracles, tests/golden/losses.json
"""

from dataclasses import dataclass

from ilk import networks, views
from ilk.core import Output
from ilk.kin import OwnItem, Smoothed
from ilk.method import Classes, Given, Head, Method, Mixable, Optimisation, Term
from ilk.objectives import SoftCrossEntropy


@dataclass(frozen=True, kw_only=True, slots=True)
class DIET:
    """Settings of DIET; defaults are the authors'."""

    smoothing: float = 0.8  # share of the target that is spread over all images
    min_scale: float = 0.08  # smallest area of a crop
    base_lr: float = 1e-3  # for a batch of 256
    weight_decay: float = 0.05
    warmup_epochs: float = 10.0

    def build(self, given: Given) -> Method:
        """Assemble the parts for a backbone and its images."""
        items = max(given.items, 1)
        return Method(
            views=views.fitted((views.diet_view(given.size, self.min_scale),)),
            heads={"classifier": Head(networks.item_classifier(given.width, items))},
            terms=(
                Term(
                    name="clean",
                    queries=(Output("student", "a", "classifier"),),
                    candidates=(Classes(items),),
                    kin=Smoothed(rule=OwnItem(items=items), share=self.smoothing),
                    objective=SoftCrossEntropy(temperature=1.0),
                ),
            ),
            optimisation=Optimisation(
                name="adamw",
                lr=self.base_lr,
                end_lr=1e-3 * self.base_lr,
                weight_decay=self.weight_decay,
                decay_all=True,
                warmup_epochs=self.warmup_epochs,
            ),
            batch_size=256,
            mixable=Mixable(queries=("a",), replace=False),
        )
