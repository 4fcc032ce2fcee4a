"""How the numbers of an image lie in memory."""

import torch
from torch import nn

NARROW = (
    8  # output channels; backward of narrower ones writes past its memory with channels last
)


def fastest_layout(module: nn.Module) -> torch.memory_format:
    """Channels last, in which convolutions are up to 1.6 times as fast on processors.

    Contiguous for networks of clips, and where a convolution has fewer than 8 outputs: torch
    2.14 on a processor then damages its heap in backward with channels last.
    """
    if any(isinstance(part, nn.Conv3d) for part in module.modules()):
        return torch.contiguous_format
    widths = [part.out_channels for part in module.modules() if isinstance(part, nn.Conv2d)]
    narrow = min(widths, default=NARROW) < NARROW
    return torch.contiguous_format if narrow else torch.channels_last
