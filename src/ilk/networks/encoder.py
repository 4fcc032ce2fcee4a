"""Encoders: a backbone with everything needed to turn pixels into features.

Axes: B images, C channels, F features.
"""

import copy
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float32, UInt8
from torch import Tensor, nn

from ilk.core import UserError
from ilk.core.items import ItemKind
from ilk.networks.backbone import recorded_options
from ilk.networks.layout import fastest_layout
from ilk.networks.own import frame_count, item_kind
from ilk.networks.places import FEATURE, MAP, Field, Places, shows_places
from ilk.networks.weights import fingerprint


@dataclass(frozen=True, kw_only=True, slots=True)
class Encoder:
    """A frozen copy of a backbone, in evaluation mode.

    Args:
        module: normalised images [B, C, H, W], clips or windows to features [B, F].
        name: of the backbone.
        options: it was built with; JSON values.
        image_size: side of the images it was trained on in pixels, or samples of windows.
        channels: C.
        mean: of each channel, for pixels in [0, 1].
        std: likewise.
        feature_dim: F.
        fingerprint: changes with any weight and any of the above.
    """

    module: nn.Module
    name: str
    options: Mapping[str, Any]
    image_size: int
    channels: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    feature_dim: int
    fingerprint: str

    @staticmethod
    def of(
        module: nn.Module,
        *,
        name: str,
        options: Mapping[str, object],
        image_size: int,
        channels: int,
        statistics: tuple[Sequence[float], Sequence[float]],
    ) -> "Encoder":
        """Copy a backbone as it stands; the original keeps its mode and goes on learning.

        Args:
            module: built by `backbone` with this name, these options, size and channels.
            name: of the backbone.
            options: given to `backbone`.
            image_size: in pixels.
            channels: C.
            statistics: mean and standard deviation of each channel, for pixels in [0, 1].

        Raises:
            ValueError: there is not one mean and one deviation for each channel.
        """
        mean, std = (tuple(float(number) for number in numbers) for numbers in statistics)
        if not len(mean) == len(std) == channels:
            raise ValueError(
                f"Encoder: needs {channels} means and deviations, got {len(mean)}, {len(std)}"
            )
        frozen = copy.deepcopy(module).eval().requires_grad_(False)
        frozen = frozen.to(memory_format=fastest_layout(frozen))
        facts: dict[str, Any] = {
            "name": name,
            "options": json.loads(json.dumps(recorded_options(options, image_size))),
            "image_size": image_size,
            "channels": channels,
            "mean": mean,
            "std": std,
            "feature_dim": module.num_features,
        }
        return Encoder(
            module=frozen, fingerprint=fingerprint(frozen.state_dict(), facts), **facts
        )

    @property
    def kind(self) -> ItemKind:
        """What it reads: images, clips or windows."""
        return item_kind(self.name)

    @property
    def frames(self) -> int:
        """How many frames the clips had that it was trained on; 1 where it reads no clips."""
        return frame_count(self.name, self.options)

    def facts(self) -> dict[str, Any]:
        """Everything but the weights, as JSON values."""
        names = [name for name in Encoder.__dataclass_fields__ if name != "module"]
        return json.loads(json.dumps({name: getattr(self, name) for name in names}))


def showing(encoder: Encoder, field: Field = FEATURE) -> nn.Module:
    """The network from normalised images to their feature, map or tokens.

    Args:
        encoder: stays as it is.
        field: ``feature`` [B, F], ``map`` [B, D, H, W] before pooling, or ``tokens`` [B, N, D],
            the same in raster order, without those of no place such as the class token.
    """
    return encoder.module if field == FEATURE else Places(encoder.module, field)


@torch.inference_mode()
def field_shape(encoder: Encoder, field: Field) -> tuple[int, ...]:
    """The shape of what the encoder shows of one image of its size: [F], [D, H, W] or [N, D].

    Raises:
        UserError: the encoder shows no such field.
    """
    if field == FEATURE:
        return (encoder.feature_dim,)
    if encoder.kind != "image":
        raise UserError(f"field: {field} must be of images, but {encoder.name} reads others")
    device = next(encoder.module.parameters()).device
    size = (encoder.image_size, encoder.image_size)
    try:
        shown = showing(encoder, field)(torch.zeros(1, encoder.channels, *size, device=device))
    except (AttributeError, RuntimeError, TypeError, ValueError) as error:
        raise UserError(
            f"field: {encoder.name} must show its {field}, got '{' '.join(str(error).split())}'"
            "; take field feature"
        ) from error
    return tuple(shown.shape[1:])


def has_places(encoder: Encoder) -> bool:
    """Whether an encoder shows an image place by place, and not as one vector alone."""
    if not shows_places(encoder.module):
        return False
    try:
        return len(field_shape(encoder, MAP)) == 3
    except UserError:
        return False


@torch.inference_mode()
def encode(
    encoder: Encoder, images: UInt8[Tensor, "B C *pixels"], field: Field = FEATURE
) -> Float32[Tensor, "B ..."]:
    """Features of images, or their places, on the encoder's device.

    Args:
        encoder: stays as it is.
        images: already cut to the encoder's size; on any device.
        field: as in `showing`.

    Raises:
        UserError: the number of channels is not the encoder's.
    """
    network = PixelsToFeatures(encoder, field)
    return network(images.to(next(encoder.module.parameters()).device))


class PixelsToFeatures(nn.Module):
    """Normalisation and backbone in one module, as exports need it."""

    scale: Tensor
    shift: Tensor

    def __init__(self, encoder: Encoder, field: Field = FEATURE) -> None:
        super().__init__()
        self.module = showing(encoder, field)
        self.layout = fastest_layout(encoder.module)
        device = next(encoder.module.parameters()).device
        std = 255 * torch.tensor(encoder.std, dtype=torch.float64)
        mean = 255 * torch.tensor(encoder.mean, dtype=torch.float64)
        self.register_buffer("scale", (1 / std).to(device, torch.float32))
        self.register_buffer("shift", (-mean / std).to(device, torch.float32))

    def forward(self, images: Tensor) -> Tensor:
        """Pixels [B, C, H, W] of 0 to 255 to float32 features [B, F], or another field."""
        if images.shape[1] != len(self.scale):
            raise UserError(
                f"encoder: reads images of {len(self.scale)} channels, got {images.shape[1]}"
            )
        axes = (-1,) + (1,) * (images.ndim - 2)
        if images.ndim == 4:
            images = images.contiguous(memory_format=self.layout)
        pixels = images.float() * self.scale.view(axes) + self.shift.view(axes)
        return self.module(pixels).float()
