"""Heads on a frozen backbone, trained side by side. Axes: B images, D features."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float32, Int64
from torch import Tensor, nn

from ilk.core import Cosine, Progress
from ilk.core.seeding import permutation

Features = Float32[Tensor, "_ _"] | Float32[Tensor, "_ _ _"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Kind:
    """What stands on the features, and how it learns.

    Args:
        head: makes one for features like these and so many classes.
        optimiser: makes that of a head's parameters with a learning rate.
    """

    head: Callable[[Features, int], nn.Module]
    optimiser: Callable[[Iterable[nn.Parameter], float], torch.optim.Optimizer]


def fit_heads(
    batches: Iterable[tuple[Features, Int64[Tensor, " _"]]],
    kind: Kind,
    *,
    lrs: Sequence[float],
    classes: int,
    steps: int,
    tell: Callable[[int], None],
) -> list[nn.Module]:
    """Train one softmax classifier for each learning rate on the same stream of features.

    Half a cosine to zero. The heads share nothing but the features, so each ends where it would
    have ended alone.

    Args:
        batches: features and classes; ``steps`` of them.
        kind: what is trained.
        lrs: peak learning rates, for the batch size at hand.
        classes: how many.
        steps: of the whole schedule.
        tell: called with the steps done.
    """
    heads: list[nn.Module] = []
    optimisers: list[torch.optim.Optimizer] = []
    for step, (features, labels) in enumerate(batches):
        if not heads:
            heads = [kind.head(features, classes) for _ in lrs]
            optimisers = [
                kind.optimiser(head.parameters(), lr)
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


def linear(momentum: float) -> Kind:
    """A linear classifier that starts at zero, by SGD without weight decay.

    Args:
        momentum: of SGD.
    """
    return Kind(
        head=_zeros, optimiser=lambda parameters, lr: torch.optim.SGD(parameters, lr, momentum)
    )


def _zeros(features: Features, classes: int) -> nn.Module:
    head = nn.Linear(features.shape[1], classes, device=features.device)
    nn.init.zeros_(head.weight)
    nn.init.zeros_(head.bias)
    return head
