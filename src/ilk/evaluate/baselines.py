"""What an encoder has to beat, as encoders. Axes: B images, C channels, S side, F features."""

from collections.abc import Callable

import cv2
import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from ilk.core import UserError
from ilk.data import Source
from ilk.embedding import Embeddings, embed
from ilk.networks import Encoder, load_encoder

LARGEST = 32  # pixels: 3,072 numbers for a colour image
HOG_SIZE, HOG_CELL, HOG_BINS = 64, 8, 9
PIXELS, HOG, RANDOM = "pixels", "hog", "random"


def contender(
    spec: str, *, ours: Encoder | None = None, image_size: int | None = None, seed: int = 0
) -> Encoder:
    """An encoder by what a person calls it.

    Args:
        spec: ``pixels``, ``hog``, ``random`` for the network of ``ours`` without training, or
            what ``load_encoder`` takes: a run, ``timm:NAME``, ``random:NAME``.
        ours: the encoder it is compared with; it gives its image size to networks by name.
        image_size: of networks by name, where ``ours`` does not say.
        seed: of random weights.

    Raises:
        UserError: there is no such encoder, or ``random`` without a network to be like.
    """
    if spec == PIXELS:
        return raw_pixels()
    if spec == HOG:
        return oriented_gradients()
    network = ours is not None and ours.name not in {PIXELS, HOG}
    if spec == RANDOM:
        if ours is None or not network:
            raise UserError(
                "evaluate: random is the network of the encoder without training, and there is"
                " no network; give random:NAME"
            )
        return load_encoder(
            f"random:{ours.name}", image_size=ours.image_size, channels=ours.channels,
            options=ours.options, seed=seed,
        )  # fmt: skip
    named = spec.startswith(("timm:", "random:"))
    size = ours.image_size if ours is not None and network else image_size
    return load_encoder(spec, image_size=size if named else None, seed=seed)


def raw_pixels(size: int = LARGEST, channels: int = 3) -> Encoder:
    """The middle of each image, scaled and flattened.

    Args:
        size: side in pixels, at most 32.
        channels: C.

    Raises:
        UserError: ``size`` is out of range.
    """
    if not 1 <= size <= LARGEST:
        raise UserError(f"pixels: size must be from 1 to {LARGEST}, got {size}")
    return _plain(PIXELS, nn.Flatten(), size, channels, channels * size**2)


def oriented_gradients() -> Encoder:
    """Histograms of oriented gradients: Dalal and Triggs, CVPR 2005, by OpenCV.

    Images of 64 pixels, cells of 8, blocks of 2 by 2 cells at every cell, 9 orientations
    without sign: 1,764 numbers.
    """
    blocks = HOG_SIZE // HOG_CELL - 1
    return _plain(HOG, _Gradients(), HOG_SIZE, 3, blocks**2 * 4 * HOG_BINS)


def pixels(
    source: Source,
    *,
    size: int = LARGEST,
    channels: int = 3,
    workers: int = 2,
    progress: Callable[[int, int], None] | None = None,
) -> Embeddings:
    """Raw pixels as vectors, see ``raw_pixels``.

    Args:
        source: of images.
        size: side in pixels, at most 32.
        channels: of the decoded images.
        workers: threads that read and decode.
        progress: called with the items done and their number.

    Raises:
        UserError: ``size`` is out of range, or nothing could be read.
    """
    encoder = raw_pixels(size, channels)
    return embed(encoder, source, device="cpu", workers=workers, progress=progress)


class _Gradients(nn.Module):
    """OpenCV's descriptor of each image, on the CPU."""

    def forward(self, images: Float[Tensor, "B C S S"]) -> Float[Tensor, "B F"]:
        cell, block = (HOG_CELL,) * 2, (2 * HOG_CELL,) * 2
        descriptor = cv2.HOGDescriptor((HOG_SIZE,) * 2, block, cell, cell, HOG_BINS)
        levels = (255 * images).round().byte().permute(0, 2, 3, 1).cpu().numpy()
        rows = [np.ravel(descriptor.compute(np.ascontiguousarray(one))) for one in levels]
        return torch.from_numpy(np.stack(rows)).to(images.device)


def _plain(name: str, module: nn.Module, size: int, channels: int, width: int) -> Encoder:
    return Encoder(
        module=module,
        name=name,
        options={},
        image_size=size,
        channels=channels,
        mean=(0.0,),
        std=(1.0,),
        feature_dim=width,
        fingerprint=f"{name}@1/{size}x{size}x{channels}",
    )
