"""What a run drew in the place of what it did not see, beside what was there."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import UInt8

from ilk.train.previews.reconstructions import Reconstruction
from ilk.viewer.report import CaptionedImage, Chapter, ImageViews

LEAD = (
    "Each group of three shows an image, what the network saw of it, and what it drew. Hidden "
    "parts are grey; where only these were to be found, everything else of the drawing is the "
    "image itself. What was normalised for training is undone; where targets were normalised "
    "patch by patch, the mean and contrast of each drawn patch are those of the image."
)


def reconstruction_chapters(found: Sequence[Reconstruction]) -> tuple[Chapter, ...]:
    """A chapter of all reconstructions; none where there are none.

    Args:
        found: what `ilk.train.reconstructions` made.
    """
    if not found:
        return ()
    rows = tuple(
        ImageViews(
            image=_captioned(one, "original", one.original),
            made=(_captioned(one, "seen", one.seen), _captioned(one, "drawn", one.drawn)),
        )
        for one in found
    )
    return (Chapter(title="Reconstructions", lead=LEAD, looks=rows),)


def _captioned(
    one: Reconstruction, caption: str, pixels: UInt8[np.ndarray, "H W C"]
) -> CaptionedImage:
    return CaptionedImage(pixels=pixels, caption=caption, alt=f"{caption} of item {one.item}")
