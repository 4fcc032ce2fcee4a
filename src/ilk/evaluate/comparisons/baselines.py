"""What an encoder has to beat, as encoders. Axes: B images, C channels, S side, F features."""

from collections.abc import Callable
from pathlib import Path

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from ilk.core import UserError
from ilk.data import Source
from ilk.embedding import Embeddings, embed
from ilk.networks import Encoder, load_encoder, warn

LARGEST = 32  # pixels: 3,072 numbers for a colour image
HOG_SIZE, HOG_CELL, HOG_BINS = 64, 8, 9
HOG_FLOOR = 1e-3  # shorter blocks are not stretched: a flat area has no orientation
PIXELS, HOG, RANDOM = "pixels", "hog", "random"


def load_encoder_or_baseline(
    spec: str,
    *,
    ours: Encoder | None = None,
    image_size: int | None = None,
    seed: int = 0,
    tell: Callable[[str], None] = warn,
) -> Encoder:
    """An encoder by what a person calls it.

    Args:
        spec: ``pixels``, ``hog``, ``random`` for the network of ``ours`` with random weights,
            whatever weights its training began with, or what ``load_encoder`` takes: a run,
            ``timm:NAME``, ``NAME@FILE``, ``random:NAME``.
        ours: the encoder it is compared with; it gives its image size to networks by name.
        image_size: of networks by name, where ``ours`` does not say.
        seed: of random weights.
        tell: what became of weights that did not fit as they were.

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
    named = spec.startswith(("timm:", "random:")) or ("@" in spec and not Path(spec).exists())
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
    """Histograms of oriented gradients, after Dalal and Triggs, CVPR 2005.

    Images of 64 pixels, cells of 8, blocks of 2 by 2 cells at every cell, 9 orientations
    without sign, norm clipped at 0.2 (L2-Hys): 1,764 numbers. Votes are shared between
    orientations but not between cells, and blocks have no Gaussian window.
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
    """The steepest channel of each pixel votes for the two nearest orientations."""

    def forward(self, images: Float[Tensor, "B C S S"]) -> Float[Tensor, "B F"]:
        padded = F.pad(images, (1, 1, 1, 1), mode="replicate")
        across = padded[:, :, 1:-1, 2:] - padded[:, :, 1:-1, :-2]
        down = padded[:, :, 2:, 1:-1] - padded[:, :, :-2, 1:-1]
        steepness, channel = torch.hypot(across, down).max(1, keepdim=True)  # [B, 1, S, S]
        angle = torch.atan2(down.gather(1, channel), across.gather(1, channel))
        place = angle / torch.pi % 1 * HOG_BINS - 0.5  # in bins, counted from centres
        low = place.floor()
        votes = images.new_zeros(len(images), HOG_BINS, *images.shape[2:])
        for bin_, share in ((low, 1 - (place - low)), (low + 1, place - low)):
            votes.scatter_add_(1, bin_.long() % HOG_BINS, share * steepness)
        cells = F.avg_pool2d(votes, HOG_CELL)
        blocks = F.unfold(cells, 2)  # [B, 4 bins, places]
        clipped = F.normalize(blocks, dim=1, eps=HOG_FLOOR).clamp_max(0.2)
        return F.normalize(clipped, dim=1, eps=HOG_FLOOR).flatten(1)


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
