"""Mutual information of two labelings of the same items. Axes: M items."""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from ilk.core import UNKNOWN


def mutual_information(a: Int[Tensor, " M"], b: Int[Tensor, " M"]) -> float:
    """Mutual information over the mean of both entropies: 1 where only names of classes differ.

    DeepCluster, Caron et al., ECCV 2018, https://arxiv.org/abs/1807.05520, follows it over
    epochs. Items that lack a label in one of them do not count; two labelings of one class each
    agree.

    Example:
        >>> a, b = torch.tensor([0, 0, 1, 1]), torch.tensor([5, 5, 2, 2])
        >>> mutual_information(a, b), mutual_information(a, torch.tensor([0, 1, 0, 1]))
        (1.0, 0.0)
    """
    both = (a != UNKNOWN) & (b != UNKNOWN)
    a, b = a[both], b[both]
    if len(a) == 0:
        return 0.0
    pairs = a * (int(b.max()) + 1) + b
    apart, joint = _entropy(a) + _entropy(b), _entropy(pairs)
    return float(2 * (apart - joint) / apart) if apart > 0 else 1.0


def _entropy(labels: Int[Tensor, " M"]) -> Float[Tensor, ""]:
    # On the processor, as some devices have no double precision.
    counts = torch.unique(labels, return_counts=True)[1].cpu().double()
    return torch.special.entr(counts / counts.sum()).sum()
