"""Teachers: moving averages of the student."""

import copy

import torch
from torch import Tensor, nn

from ilk.networks.network import Network


class Teacher:
    """A copy of the student without predictor, which follows it slowly and has no gradient.

    The average covers parameters and not buffers: the teacher's batch norm keeps running
    statistics of its own (MoCo v3, BYOL and DINO alike). The copy is in train mode, so its
    targets are normalised by the statistics of their own batch. Stochastic depth and dropout
    are taken out of it, so that a target depends on its picture and batch alone.

    Args:
        student: is copied, with its device and types; what is frozen in it stays equal.
    """

    def __init__(self, student: Network) -> None:
        parts = {k: copy.deepcopy(v) for k, v in student.parts().items() if k != "predictor"}
        self.network = Network(**parts).requires_grad_(False)
        _silence(self.network)

    @torch.no_grad()
    def update(self, student: Network, momentum: float) -> None:
        """Move each parameter: momentum * own + (1 - momentum) * the student's.

        Args:
            student: the one that was copied, later.
            momentum: in [0, 1]; at 1 the teacher stands still.
        """
        own: dict[str, Tensor] = dict(self.network.named_parameters())
        theirs: dict[str, Tensor] = dict(student.named_parameters())
        followed = [theirs[name] for name in own]
        # One kernel for many tensors: a loop of small ones costs milliseconds on a GPU.
        lerp = torch._foreach_lerp_  # pyright: ignore[reportPrivateUsage]
        lerp(list(own.values()), followed, 1 - momentum)


def _silence(network: nn.Module) -> None:
    from timm.layers.drop import DropPath

    for part in network.modules():
        if isinstance(part, DropPath):
            part.drop_prob = 0.0
        elif isinstance(part, nn.Dropout | nn.Dropout1d | nn.Dropout2d | nn.Dropout3d):
            part.p = 0.0
