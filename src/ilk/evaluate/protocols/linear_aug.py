"""The papers' linear protocol: SGD on crops."""

from dataclasses import dataclass

from ilk.evaluate.protocols.blocks import features_of
from ilk.evaluate.protocols.protocol import Measured, Task
from ilk.evaluate.protocols.sgd_heads import linear
from ilk.evaluate.protocols.sweep import Recipe, swept


@dataclass(frozen=True, kw_only=True, slots=True)
class AugmentedLinear:
    """A linear classifier trained by SGD on random crops and flips of train.

    The protocol of MoCo v3 (Chen et al., ICCV 2021, https://arxiv.org/abs/2104.02057) and DINO
    (Caron et al., ICCV 2021, https://arxiv.org/abs/2104.14294): backbone frozen and in
    evaluation mode, momentum, no weight decay, half a cosine to zero. Both papers sweep the
    learning rate; here all are trained at once on one pass of the backbone, without the
    held-out part of train, the most accurate one there is trained again on all of train, and
    that one classifies test. Equal accuracies choose the smaller.

    Args:
        lrs: candidates for the peak, for 256 images a batch, ascending.
        momentum: of SGD.
        epochs: of each of the two trainings.
        batch_size: of both.
        min_scale: smallest share of an image's area that is cropped.
        blocks: whose features are read, see ``features_of``.
        held_out: share of every class of train that the learning rate is chosen on.
    """

    lrs: tuple[float, ...]
    momentum: float
    epochs: int
    batch_size: int
    min_scale: float
    blocks: int
    held_out: float

    def measure(self, task: Task) -> Measured:
        """Sweep, choose, train on all of train, classify the test items."""
        images = task.images
        assert images is not None
        recipe = Recipe(
            lrs=self.lrs, epochs=self.epochs, batch_size=self.batch_size,
            min_scale=self.min_scale, held_out=self.held_out,
        )  # fmt: skip
        read = features_of(images.encoder, self.blocks)
        return swept(task, recipe, linear(self.momentum), read)
