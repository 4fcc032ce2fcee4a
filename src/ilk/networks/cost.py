"""What a network costs."""

from collections.abc import Sequence

import torch
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode


def multiply_adds(module: nn.Module, shape: Sequence[int]) -> int:
    """Multiply-adds of one input's forward: convolutions, linear layers, attention products.

    Biases, normalisation and activations are not counted, as in the papers' tables.

    Args:
        module: is left as it was; nothing is learnt from the input of zeros.
        shape: of one input, without the batch axis, e.g. (3, 224, 224).
    """
    first = next(module.parameters())
    images = torch.zeros((1, *shape), device=first.device, dtype=first.dtype)
    modes = {part: part.training for part in module.modules()}
    module.eval()
    try:
        # Fused attention kernels of some devices have no formula, plain products do.
        with (
            torch.no_grad(),
            sdpa_kernel(SDPBackend.MATH),
            FlopCounterMode(display=False) as counter,
        ):
            module.forward(images)  # not through __call__, which may be compiled
        return counter.get_total_flops() // 2
    finally:
        for part, training in modes.items():
            part.training = training
