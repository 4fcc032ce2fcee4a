"""A probe that looks where it needs to. Axes: B images, N places, F features, h heads."""

from collections.abc import Iterable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float, Float32
from torch import Tensor, nn

from ilk.evaluate.protocols.protocol import Measured, Task
from ilk.evaluate.protocols.sgd_heads import Features, Kind
from ilk.evaluate.protocols.sweep import Recipe, swept
from ilk.networks.places import TOKENS, feature_and_places

HEAD = 64  # features that a head of attention looks at, where they divide by it


@dataclass(frozen=True, kw_only=True, slots=True)
class Attentive:
    """One learned query attends to places of the frozen backbone; a linear classifier follows.

    For encoders whose class token or mean says little, such as masked ones: the attentive probe
    of CAE, Chen et al., IJCV 2024, https://arxiv.org/abs/2202.03026, and V-JEPA, Bardes et al.,
    TMLR 2024, https://arxiv.org/abs/2404.08471, without their blocks behind it. Crops, choice
    of the rate and length are those of ``linear-aug-mini@1``; weights learn by AdamW.

    Args:
        lrs: candidates for the peak, for 256 images a batch, ascending.
        weight_decay: of AdamW.
        epochs: of each of the two trainings.
        batch_size: of both.
        min_scale: smallest share of an image's area that is cropped.
        held_out: share of every class of train that the learning rate is chosen on.
    """

    lrs: tuple[float, ...]
    weight_decay: float
    epochs: int
    batch_size: int
    min_scale: float
    held_out: float

    def measure(self, task: Task) -> Measured:
        """Sweep, choose, train on all of train, classify the test items."""
        images = task.images
        assert images is not None
        module, decay = images.encoder.module, self.weight_decay

        @torch.no_grad()
        def read(pixels: Tensor) -> Tensor:
            return feature_and_places(module, pixels)[TOKENS].float()

        def optimiser(parameters: Iterable[nn.Parameter], lr: float) -> torch.optim.Optimizer:
            return torch.optim.AdamW(parameters, lr, weight_decay=decay)

        recipe = Recipe(
            lrs=self.lrs, epochs=self.epochs, batch_size=self.batch_size,
            min_scale=self.min_scale, held_out=self.held_out,
        )  # fmt: skip
        return swept(task, recipe, Kind(head=_head, optimiser=optimiser), read)


class AttentivePooling(nn.Module):
    """One query's attention to places, then a linear classifier.

    It begins as the linear classifier of the mean over places, each normalised: the query is
    zero, keys and values are the places themselves, and no class is likelier than another. So
    nothing is drawn.

    Args:
        width: F.
        classes: how many.
    """

    def __init__(self, width: int, classes: int) -> None:
        super().__init__()
        self.heads = width // HEAD if width % HEAD == 0 else 1
        self.query = nn.Parameter(torch.zeros(self.heads, 1, width // self.heads))
        self.norm = nn.LayerNorm(width, elementwise_affine=False)
        self.key, self.value = nn.Linear(width, width), nn.Linear(width, width)
        self.classifier = nn.Linear(width, classes)
        for layer in (self.key, self.value):
            nn.init.eye_(layer.weight)
            nn.init.zeros_(layer.bias)
        nn.init.zeros_(self.classifier.weight)
        nn.init.zeros_(self.classifier.bias)

    def forward(self, tokens: Float32[Tensor, "B N F"]) -> Float[Tensor, "B _"]:
        """Log-odds of each class."""
        tokens = self.norm(tokens)
        keys, values = (
            layer(tokens).unflatten(2, (self.heads, -1)).transpose(1, 2)  # [B, h, N, F / h]
            for layer in (self.key, self.value)
        )
        query = self.query.expand(len(tokens), -1, -1, -1)
        pooled = F.scaled_dot_product_attention(query, keys, values)
        return self.classifier(pooled.flatten(1))


def _head(features: Features, classes: int) -> nn.Module:
    return AttentivePooling(features.shape[-1], classes).to(features.device)
