"""In which layout, and in which kind of numbers, a network is fast on processors."""

import torch
from torch import nn

NARROW_HEAD = 32  # numbers of an attention head, of which fewer are slower in bfloat16
LANES = 16  # single numbers in a register; of fewer channels the kernel reads past the end


def fastest_layout(module: nn.Module) -> torch.memory_format:
    """Channels last, in which convolutions are up to 1.6 times as fast on processors.

    Contiguous for networks of clips, and where a convolution of one pixel skips others and
    reads fewer than 16 channels: torch 2.14 on a processor then damages its heap in backward
    with channels last.
    """
    convolutions = [part for part in module.modules() if isinstance(part, nn.Conv2d)]
    clips = any(isinstance(part, nn.Conv3d) for part in module.modules())
    damaging = clips or any(map(_damages, convolutions))
    return torch.contiguous_format if damaging else torch.channels_last


def _damages(convolution: nn.Conv2d) -> bool:
    """Whether its backward writes where it must not, with channels last."""
    return (
        convolution.kernel_size == (1, 1)
        and max(convolution.stride) > 1
        and convolution.groups == 1
        and convolution.in_channels < LANES
    )


def fast_in_bfloat16(module: nn.Module) -> bool:
    """Whether a processor with instructions for bfloat16 trains a network faster in it.

    Dense and grouped convolutions, linear layers and attention take 1.2 to 3 times less time;
    depthwise convolutions, and attention of heads narrower than 32 numbers, take more.
    """
    depthwise = any(
        isinstance(part, nn.Conv1d | nn.Conv2d | nn.Conv3d)
        and 1 < part.groups == part.in_channels
        for part in module.modules()
    )
    heads = (getattr(part, "head_dim", NARROW_HEAD) for part in module.modules())
    return not depthwise and all(
        width >= NARROW_HEAD for width in heads if isinstance(width, int)
    )
