"""RotNet: the network predicts by how many quarter turns an image was rotated.

Paper: Gidaris, Singh and Komodakis, ICLR 2018, https://arxiv.org/abs/1803.07728
Idea: recognising how an image is rotated requires knowing what it shows. All four rotations of
    an image are in one batch (Eq. 2 and 3), and rotation loses no pixel.
Against UIC: the classes are the rotations, which are known, and there is no memory.
Departures: the learning rate follows a cosine, where the authors have three steps, and momentum
    is not Nesterov's. A mix of two images that are rotated by the same angle has that angle as
    its class, whatever its shares are. No reproduction is claimed.
Checked: tests/views/test_derived.py, tests/oracles, tests/golden/losses.json
"""

from dataclasses import dataclass

from ilk import networks, views
from ilk.core import Output
from ilk.kin import OwnTask
from ilk.method import Classes, Given, Method, Mixable, Optimisation, Term
from ilk.objectives import SoftCrossEntropy


@dataclass(frozen=True, kw_only=True, slots=True)
class Rotation:
    """Settings of RotNet; defaults are the authors' for ImageNet."""

    min_scale: float = 0.08  # smallest area of a crop
    base_lr: float = 0.133  # for a batch of 256; 0.1 for the authors' 192
    weight_decay: float = 5e-4

    def build(self, given: Given) -> Method:
        """Assemble the parts for a backbone and its images."""
        return Method(
            views=(views.weak(given.size, self.min_scale, name="a"),),
            derived=(views.Rotations(name="rotated", view="a"),),
            projector=networks.classifier(given.width, views.TURNS),
            terms=(
                Term(
                    name="clean",
                    queries=(Output("student", "rotated", "projection"),),
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
