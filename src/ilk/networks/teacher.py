"""Teachers: moving averages of the student, and encoders that have learned before."""

import copy
from collections.abc import Sequence
from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.modules.dropout import _DropoutNd  # pyright: ignore[reportPrivateUsage]

from ilk.core import UserError
from ilk.networks.encoder import Encoder
from ilk.networks.network import Network

# Rates of dropout, DropBlock, stochastic depth and dropped patches, which timm's networks keep.
RATES = ("drop_rate", "drop_prob", "attn_drop_p", "patch_drop_rate")
Counts = list[tuple[Tensor, Tensor]]  # own and the student's


class Teacher:
    """A copy of the student that follows it slowly and has no gradient.

    It has no heads that are the student's alone. The average covers parameters and not
    buffers: the teacher's batch norm keeps running statistics of its own (as in MoCo v3,
    BYOL and DINO), unless it averages those of the student. The copy is in train mode, so
    its targets are normalised by the statistics of their own batch. Stochastic depth and
    dropout, of patches too, are taken out of it, so that a target depends on its image and
    batch alone.

    Args:
        student: is copied, with its device and types; what is frozen in it stays equal.
        buffers: whether running statistics are averaged as parameters are. Such a copy is in
            evaluation mode, so that no pass of its own adds to them.

    Attributes:
        evaluated: whether it is in evaluation mode for good.
    """

    def __init__(self, student: Network, *, buffers: bool = False) -> None:
        self._buffers = self.evaluated = buffers
        heads = {
            name: replace(head, module=copy.deepcopy(head.module))
            for name, head in student.heads.items()
            if head.teacher
        }
        trunk = copy.deepcopy(student.backbone)
        self.network = Network(trunk, heads).requires_grad_(False)
        _silence(self.network)
        self.network.train(not buffers)
        self._followed: tuple[Network, list[Tensor], list[Tensor], Counts] | None = None

    @torch.no_grad()
    def update(self, student: Network, momentum: float) -> None:
        """Move each parameter: momentum * own + (1 - momentum) * the student's.

        Args:
            student: the one that was copied, later.
            momentum: in [0, 1]; at 1 the teacher stands still.
        """
        if self._followed is None or self._followed[0] is not student:
            self._followed = student, *self._matched(student), self._counts(student)
        _, own, theirs, counts = self._followed
        # One kernel for many tensors: a loop of small ones costs milliseconds on a GPU.
        lerp = torch._foreach_lerp_  # pyright: ignore[reportPrivateUsage]
        lerp(own, theirs, 1 - momentum)
        for own_count, count in counts:
            own_count.copy_(count)

    def _counts(self, student: Network) -> Counts:
        """Buffers of whole numbers, of which there is no average."""
        if not self._buffers:
            return []
        theirs = dict(student.named_buffers())
        own = self.network.named_buffers()
        return [(b, theirs[name]) for name, b in own if not b.is_floating_point()]

    @torch.no_grad()
    def become(self, student: Network) -> None:
        """Copy the student as it is now, with its buffers.

        Args:
            student: the one that was copied, later.
        """
        theirs = dict(student.named_parameters()) | dict(student.named_buffers())
        own = [*self.network.named_parameters(), *self.network.named_buffers()]
        for name, tensor in own:
            tensor.copy_(theirs[name])

    def _matched(self, student: Network) -> tuple[list[Tensor], list[Tensor]]:
        """What is averaged, pair by pair; looking it up takes as long as moving it."""
        own: dict[str, Tensor] = dict(self.network.named_parameters())
        theirs: dict[str, Tensor] = dict(student.named_parameters())
        if self._buffers:
            further = self.network.named_buffers()
            own |= {name: b for name, b in further if b.is_floating_point()}
            theirs |= dict(student.named_buffers())
        return list(own.values()), [theirs[name] for name in own]


class PretrainedTeacher:
    """An encoder that has learned before, in evaluation mode; it never changes.

    It sees images as it did when it learned: of its own size, normalised as they were then.

    Args:
        encoder: reads as many channels as there are statistics.
        statistics: mean and deviation of each channel by which a student's images were
            normalised, for pixels in [0, 1]; the encoder gets them as it knew them.
        words: what became of its weights, where they did not fit as they were.

    Raises:
        UserError: the encoder reads another number of channels.
    """

    def __init__(
        self,
        encoder: Encoder,
        statistics: tuple[Sequence[float], Sequence[float]],
        words: str = "",
    ) -> None:
        self.words = words
        if len(statistics[0]) != encoder.channels:
            raise UserError(
                f"teacher: must read images of {len(statistics[0])} channels as the student "
                f"does, got one that reads {encoder.channels}"
            )
        self.network = Network(_Renormalised(encoder, statistics)).requires_grad_(False)


class _Renormalised(nn.Module):
    """An encoder for images of any size that were normalised by other statistics."""

    scale: Tensor
    shift: Tensor

    def __init__(
        self, encoder: Encoder, statistics: tuple[Sequence[float], Sequence[float]]
    ) -> None:
        super().__init__()
        mean, std = (torch.tensor(numbers, dtype=torch.float64) for numbers in statistics)
        own_mean, own_std = (
            torch.tensor(numbers, dtype=torch.float64)
            for numbers in (encoder.mean, encoder.std)
        )
        self.module = encoder.module
        self.size = encoder.image_size
        self.register_buffer("scale", (std / own_std).float())
        self.register_buffer("shift", ((mean - own_mean) / own_std).float())

    def forward(self, images: Tensor) -> Tensor:
        """Images [B, C, H, W] to features [B, F]."""
        pixels = images * self.scale[:, None, None] + self.shift[:, None, None]
        if pixels.shape[-1] != self.size:
            pixels = F.interpolate(
                pixels, size=(self.size, self.size), mode="bilinear", antialias=True
            )
        return self.module(pixels)


def _silence(network: nn.Module) -> None:
    for part in network.modules():
        for name in (*RATES, *_own_rates(part)):
            if name in vars(part):
                setattr(part, name, 0.0)


def _own_rates(part: nn.Module) -> tuple[str, ...]:
    """What modules call the rates at which they drop, by words that mean other things too."""
    from timm.layers.patch_dropout import PatchDropout, PatchDropoutWithIndices

    if isinstance(part, _DropoutNd):
        return ("p",)
    if isinstance(part, PatchDropout | PatchDropoutWithIndices):
        return ("prob",)
    return ("dropout",) if isinstance(part, nn.MultiheadAttention) else ()
