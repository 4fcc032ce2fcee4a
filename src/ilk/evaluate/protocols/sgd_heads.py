"""Linear heads on a frozen backbone, trained side by side. Axes: B images, D features."""

from collections.abc import Callable, Iterable, Iterator, Sequence

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float32, Int64
from torch import Tensor, nn

from ilk.core import Cosine, Progress
from ilk.core.seeding import permutation

Features = Float32[Tensor, "_ _"]


def fit_heads(
    batches: Iterable[tuple[Features, Int64[Tensor, " _"]]],
    *,
    lrs: Sequence[float],
    classes: int,
    momentum: float,
    steps: int,
    tell: Callable[[int], None],
) -> list[nn.Linear]:
    """Train one softmax classifier for each learning rate on the same stream of features.

    SGD with momentum, no weight decay, half a cosine to zero. The heads start at zero and
    share nothing but the features, so each ends where it would have ended alone.

    Args:
        batches: features and classes; ``steps`` of them.
        lrs: peak learning rates, for the batch size at hand.
        classes: how many.
        momentum: of SGD.
        steps: of the whole schedule.
        tell: called with the steps done.
    """
    heads: list[nn.Linear] = []
    optimisers: list[torch.optim.SGD] = []
    for step, (features, labels) in enumerate(batches):
        if not heads:
            heads = [_zeros(features, classes) for _ in lrs]
            optimisers = [
                torch.optim.SGD(head.parameters(), lr=lr, momentum=momentum)
                for head, lr in zip(heads, lrs, strict=True)
            ]
        progress = Progress(step, steps, steps)
        for head, optimiser, lr in zip(heads, optimisers, lrs, strict=True):
            optimiser.param_groups[0]["lr"] = Cosine(lr, 0.0)(progress)
            optimiser.zero_grad(set_to_none=True)
            F.cross_entropy(head(features), labels).backward()
            optimiser.step()
        tell(step + 1)
    return heads


def epochs_of(
    chosen: Int64[np.ndarray, " N"], *, epochs: int, batch_size: int, seed: int
) -> Iterator[tuple[int, Int64[np.ndarray, " _"]]]:
    """Epoch and items of every batch: all items once an epoch, in another order each time."""
    for epoch in range(epochs):
        order = chosen[permutation(seed, epoch, len(chosen))]
        for start in range(0, len(order), batch_size):
            yield epoch, order[start : start + batch_size]


def _zeros(features: Features, classes: int) -> nn.Linear:
    head = nn.Linear(features.shape[1], classes, device=features.device)
    nn.init.zeros_(head.weight)
    nn.init.zeros_(head.bias)
    return head
