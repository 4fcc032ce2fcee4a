"""What each pixel of an image shows: masks that hold numbers of classes. Axes: N items, H W."""

import io
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Int64, UInt8
from PIL import Image

from ilk.data.decode import read_item
from ilk.data.formats import format_of
from ilk.data.masks import known_masks, mask_places, size_before_packing
from ilk.data.memory import MAX_PIXELS, check_pixels
from ilk.data.source import BadItem, Source, digest, only_bad_items

FOREGROUND = 255  # of masks that hold two values; in others, what counts as no class


@dataclass(frozen=True, slots=True)
class LabelMaps:
    """A mask for each image, whose pixels are numbers.

    Args:
        read: gives the mask of an item as it is stored.
        items: the number that ``read`` knows each item by.
        sizes: gives the size that an item had before it was packed; None where it is not.
        fingerprint: a digest of all masks.
    """

    read: Callable[[int], UInt8[np.ndarray, "_ _"]]
    items: Int64[np.ndarray, " N"]
    sizes: Callable[[int], tuple[int, int] | None]
    fingerprint: str

    def __len__(self) -> int:
        return len(self.items)

    def __call__(self, item: int, size: tuple[int, int]) -> UInt8[np.ndarray, "_ _"]:
        """The mask of an item, of its image's size or of the size before it was packed.

        Args:
            item: its number.
            size: height and width of its image.

        Raises:
            BadItem: the mask cannot be read, or is of another size.
        """
        number = int(self.items[item])
        mask = self.read(number)
        if mask.shape not in (size, self.sizes(number)):
            raise BadItem(f"mask: must have its image's size {size}, got {mask.shape}")
        return mask

    def take(self, items: Int64[np.ndarray, " M"]) -> "LabelMaps":
        """The masks of some items, in their order."""
        return replace(self, items=self.items[items])


def open_label_maps(masks: Source | None, source: Source) -> LabelMaps | None:
    """The masks of a source's images.

    Args:
        masks: an image for each image, found by its key without the ending: a folder beside
            that of the images, or another column of the same table; grey or with a palette, a
            pixel is the number of its class. None takes what the source knows itself.
        source: the images.

    Returns:
        None where there are no masks, and the source knows of none.

    Raises:
        UserError: an image has no mask.

    Example:
        >>> from ilk.rendered import Rendered
        >>> source = Rendered(1, size=16)
        >>> np.unique(open_label_maps(None, source)(0, (16, 16))).tolist()
        [0, 255]
    """
    every = np.arange(len(source))
    if masks is not None:
        given, places = masks, mask_places(masks, source)
        return LabelMaps(
            lambda item: _stored(given, places[item]),
            every,
            lambda item: size_before_packing(source, item),
            digest([given.fingerprint.encode(), np.array(places)]),
        )
    known = known_masks(source)
    if known is None:
        return None
    return LabelMaps(
        lambda item: np.uint8(FOREGROUND) * known(item), every, lambda _: None,
        digest([source.fingerprint.encode(), b"foreground"]),
    )  # fmt: skip


def _stored(masks: Source, place: int) -> UInt8[np.ndarray, "H W"]:
    """Numbers as a file holds them: entries of a palette, not its colours."""
    with only_bad_items("not decodable"):
        item = read_item(masks, place)
        try:
            values = _in_file(item) if isinstance(item, bytes) else item
            return _numbers(values)
        except BadItem as reason:
            raise BadItem(f"mask {masks.key(place)}: {reason}") from reason


def _in_file(data: bytes) -> np.ndarray:
    kind = format_of(data)
    if kind == "JPEG":
        raise BadItem("must hold numbers, got a JPEG, which changes them; save it as PNG")
    with Image.open(io.BytesIO(data), formats=[kind]) as image:
        check_pixels(image.height, image.width, MAX_PIXELS)
        return np.asarray(image)


def _numbers(values: np.ndarray) -> UInt8[np.ndarray, "H W"]:
    if values.dtype == np.bool_:
        values = np.uint8(FOREGROUND) * values
    if values.ndim == 3 and (values == values[..., :1]).all():
        values = values[..., 0]
    if values.ndim != 2 or values.dtype.kind not in "ui":
        raise BadItem(f"must be grey or have a palette, got {values.shape} of {values.dtype}")
    if values.size and not 0 <= values.min() <= values.max() <= FOREGROUND:
        raise BadItem(f"must hold numbers from 0 to 255, got {values.min()} to {values.max()}")
    return values.astype(np.uint8)
