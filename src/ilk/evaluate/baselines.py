"""What an encoder has to beat. The network untrained is ``load_encoder("random:NAME")``."""

from collections.abc import Callable

from torch import nn

from ilk.core import UserError
from ilk.data import Source
from ilk.embedding import Embeddings, embed
from ilk.networks import Encoder

LARGEST = 32  # pixels: 3,072 numbers for a colour image


def pixels(
    source: Source,
    *,
    size: int = LARGEST,
    channels: int = 3,
    workers: int = 2,
    progress: Callable[[int, int], None] | None = None,
) -> Embeddings:
    """Raw pixels as vectors: the middle of each image, scaled to ``size`` and flattened.

    Args:
        source: of images.
        size: side in pixels, at most 32.
        channels: of the decoded images.
        workers: threads that read and decode.
        progress: called with the items done and their number.

    Raises:
        UserError: ``size`` is out of range, or nothing could be read.
    """
    if not 1 <= size <= LARGEST:
        raise UserError(f"pixels: size must be from 1 to {LARGEST}, got {size}")
    encoder = Encoder(
        module=nn.Flatten(),
        name="pixels",
        options={},
        image_size=size,
        channels=channels,
        mean=(0.0,),
        std=(1.0,),
        feature_dim=channels * size**2,
        fingerprint=f"pixels@1/{size}x{size}x{channels}",
    )
    return embed(encoder, source, device="cpu", workers=workers, progress=progress)
