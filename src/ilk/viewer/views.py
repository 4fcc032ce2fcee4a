"""Images and the views that a method makes of them, drawn."""

from collections.abc import Sequence

from ilk.train.previews.records import RowImage
from ilk.train.previews.views import ViewPreview
from ilk.viewer.names import shortened
from ilk.viewer.report import CaptionedImage, ImageViews

NAME = 24  # letters of a file's name that fit below an image


def view_rows(previews: Sequence[ViewPreview]) -> tuple[ImageViews, ...]:
    """A row for each image.

    Args:
        previews: what `ilk.train.preview_views` made.
    """
    return tuple(
        ImageViews(
            image=CaptionedImage(
                pixels=preview.pixels,
                caption=preview.name,
                alt=f"{preview.name} as it is in the data",
            ),
            made=tuple(map(captioned_row, preview.views)),
        )
        for preview in previews
    )


def captioned_row(image: RowImage, *, score: str = "", named: bool = False) -> CaptionedImage:
    """A view or a past key with what it shows.

    Args:
        image: of one image or of a mix of several.
        score: in front of the caption.
        named: say in the caption which image it is, where it is one.
    """
    if len(image.made_of) == 1:
        (name, _), *_ = image.made_of
        caption = f"{image.kind} of {shortened(name, NAME)}" if named else image.kind
        return CaptionedImage(
            pixels=image.pixels, caption=f"{score}{caption}", alt=f"{image.kind} of {name}"
        )
    parts = " and ".join(f"{share:.2f} of {name}" for name, share in image.made_of)
    return CaptionedImage(
        pixels=image.pixels,
        caption=f"{score}{image.kind}",
        alt=f"{image.kind}: {parts}",
        shares=tuple((shortened(name, NAME), share) for name, share in image.made_of),
    )
