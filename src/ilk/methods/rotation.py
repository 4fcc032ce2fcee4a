"""RotNet: the network predicts by how many quarter turns an image is rotated.

Paper: Gidaris, Singh and Komodakis, ICLR 2018, https://arxiv.org/abs/1803.07728
Idea: to distinguish the rotations of an image, the network must recognise its content and
    the usual orientation of it. All four are in one batch (Eq. 2 and 3), and no pixel is
    resampled.
Against UIC: the classes are the rotations, which are known, and there is no memory.
Departures: the learning rate follows a cosine, where the authors have three steps, and
    momentum is not Nesterov's. Images are mixed with images of the same rotation, so that a
    mix keeps its class, whatever its shares are. No reproduction is claimed.
Checked: tests/views/test_derived.py, tests/oracles, tests/golden/losses.json
"""

from dataclasses import dataclass

from ilk import networks, views
from ilk.core import Output
from ilk.kin import OwnTask
from ilk.method import Classes, Given, Head, Method, Mixable, Optimisation, Term
from ilk.objectives import SoftCrossEntropy


@dataclass(frozen=True, kw_only=True, slots=True)
class Rotation:
    """Settings of RotNet; defaults are the authors' for ImageNet."""

    min_scale: float = 0.08  # smallest area of a crop
    base_lr: float = 0.0133  # for a batch of 256; 0.01 for the authors' 192
    weight_decay: float = 5e-4

    def build(self, given: Given) -> Method:
        """Assemble the parts for a backbone and its images."""
        return Method(
            views=(views.weak(given.size, self.min_scale, name="a"),),
            derived=(views.Rotations(name="rotated", view="a"),),
            heads={"classifier": Head(networks.classifier(given.width, views.TURNS))},
            terms=(
                Term(
                    name="clean",
                    queries=(Output("student", "rotated", "classifier"),),
                    candidates=(Classes(views.TURNS),),
                    kin=OwnTask(classes=views.TURNS),
                    objective=SoftCrossEntropy(temperature=1.0),
                ),
            ),
            optimisation=Optimisation(
                name="sgd",
                lr=self.base_lr,
                weight_decay=self.weight_decay,
                decay_all=True,
                warmup_epochs=0,
            ),
            batch_size=192,
            mixable=Mixable(queries=("rotated",), replace=False),
        )
