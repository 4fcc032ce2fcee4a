"""The foreground of an image: known to the source, from mask files, or by saliency.

Axes: H W C pixels.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

import cv2
import numpy as np
from jaxtyping import Bool, UInt8

from ilk.core.errors import UserError
from ilk.data.decode import decode, read_item
from ilk.data.facts import WithFacts
from ilk.data.folder import Folder
from ilk.data.joined import Joined
from ilk.data.labelled import Hidden
from ilk.data.leavings import same
from ilk.data.packing.source import Pack
from ilk.data.reader import Reader
from ilk.data.saliency import Guessed
from ilk.data.source import BadItem, Source
from ilk.data.subset import Subset

Masks = Callable[[int, np.ndarray], np.ndarray]  # item and its pixels to its foreground
SALIENCY = "saliency"
_HALF = 128
_SHOWN = 3


@runtime_checkable
class Masked(Protocol):
    """A source that knows what is foreground."""

    def mask(self, index: int) -> Bool[np.ndarray, "H W"]:
        """Which pixels of an item show its foreground."""
        ...


def open_masks(spec: str | None, source: Source) -> Masks:
    """Where the foreground of a source's images is to be had from.

    Args:
        spec: a folder with a mask for each image, ``saliency`` to guess it from the pixels, or
            None for a source that knows it itself.
        source: the images.

    Raises:
        UserError: the source does not know it, or the folder lacks masks.
    """
    if spec == SALIENCY:
        return Guessed()
    if spec is not None:
        return MaskFolder.beside(source, Path(spec))
    known = known_masks(source)
    if known is not None:
        return lambda item, image: known(item)
    raise UserError(
        f"background: the foreground of every image must be known, but {source.name} has no "
        f'masks; give masks="FOLDER" with a mask for each, or masks="{SALIENCY}"'
    )


def known_masks(source: Source) -> Callable[[int], Bool[np.ndarray, "H W"]] | None:
    """The foreground of an item by its number, where a source knows it itself."""
    if isinstance(source, Masked):
        return source.mask
    if isinstance(source, WithFacts | Hidden):
        return known_masks(source.source)
    if isinstance(source, Subset):
        whole, chosen = known_masks(source.source), source.chosen
        return None if whole is None else lambda item: whole(int(chosen[item]))
    return None


def mask_places(masks: Source, source: Source) -> tuple[int, ...]:
    """The number of the mask of each image, whose key is the same, or but for its ending.

    Raises:
        UserError: an image has no mask, or there are two and none has its ending.
    """
    exact = {masks.key(place): place for place in range(len(masks))}
    found = {_stem(key): place for key, place in exact.items()}
    keys = [source.key(index) for index in range(len(source))]
    stems = Counter(map(_stem, exact))
    several = [key for key in keys if key not in exact and stems[_stem(key)] > 1]
    if several:
        raise UserError(
            f"masks: {masks.name} must hold one mask for each image, found "
            f"{stems[_stem(several[0])]} for {several[0]}; give the right one the same ending"
        )
    lost = [key for key in keys if _stem(key) not in found]
    if lost:
        raise UserError(
            f"masks: {masks.name} must hold a mask for every image, none found for {len(lost)} "
            f"of {len(keys)}, such as {', '.join(lost[:_SHOWN])}; masks lie in it as the "
            "images do in their folder"
        )
    return tuple(exact.get(key, found[_stem(key)]) for key in keys)


@dataclass(frozen=True, slots=True)
class MaskFolder:
    """An image for each image, of the same size; bright is foreground.

    Args:
        folder: of the masks.
        places: of the mask of each item in it.
        source: the images; where they are packed, masks of the originals' size are made
            smaller as they were.
    """

    folder: Folder
    places: tuple[int, ...]
    source: Source

    @classmethod
    def beside(cls, source: Source, root: Path) -> "MaskFolder":
        """The masks that lie in a folder as the images lie in theirs; endings may differ.

        Raises:
            UserError: the folder is none, or lacks a mask for some image.
        """
        if not root.is_dir():
            raise UserError(f"masks: must be a folder or {SALIENCY}, got {root}")
        folder = Folder(root)
        return cls(folder, mask_places(folder, source), source)

    def __call__(self, item: int, image: UInt8[np.ndarray, "H W C"]) -> Bool[np.ndarray, "H W"]:
        """The foreground of an item.

        Raises:
            BadItem: the mask cannot be read, or has another size than the image.
        """
        place = self.places[item]
        try:
            mask = decode(read_item(self.folder, place), channels=1)[..., 0]
        except BadItem as reason:
            raise BadItem(f"mask {self.folder.key(place)}: {reason}") from reason
        if mask.shape == size_before_packing(self.source, item) != image.shape[:2]:
            mask = cv2.resize(mask, image.shape[1::-1], interpolation=cv2.INTER_AREA)
        if mask.shape != image.shape[:2]:
            raise BadItem(
                f"mask {self.folder.key(place)}: must have its image's size "
                f"{image.shape[:2]}, got {mask.shape}"
            )
        return mask >= _HALF


@dataclass(frozen=True, slots=True)
class Scenery:
    """The foreground of every image of a source, and other images to exchange it with.

    Args:
        reader: of the source.
        masks: as `open_masks` gives them.
    """

    reader: Reader
    masks: Masks

    def foreground(
        self, item: int, image: UInt8[np.ndarray, "H W C"]
    ) -> Bool[np.ndarray, "H W"]:
        """Which pixels of an item's image show its foreground.

        Raises:
            UserError: what was good when the item was first read is so no longer.
        """
        try:
            return self.masks(item, image)
        except BadItem as reason:
            raise UserError(
                f"masks: that of {self.reader.source.key(item)} must stay readable, got "
                f"'{reason}'; mend it and resume"
            ) from reason

    def other(
        self, item: int, chance: float
    ) -> tuple[UInt8[np.ndarray, "H W C"], Bool[np.ndarray, "H W"]]:
        """Another image with its foreground; all others are equally likely.

        Args:
            item: that it must not be.
            chance: in [0, 1).

        Raises:
            UserError: there is no other image.
        """
        count = len(self.reader)
        if count == 1:
            raise UserError(
                "background: there must be other images to take one from, got a single image"
            )
        image, index = self.reader.read((item + 1 + int(chance * (count - 1))) % count)
        if index == item:  # all between were bad
            image, index = self.reader.read((item + 1) % count)
        return image, self.foreground(index, image)


def size_before_packing(source: Source, item: int) -> tuple[int, int] | None:
    """The size that an item had before it was packed; None where it is not packed."""
    if isinstance(source, Pack):
        return source.original_size(item)
    if isinstance(source, WithFacts | Hidden):
        return size_before_packing(source.source, item)
    if isinstance(source, Subset):
        return size_before_packing(source.source, int(source.chosen[item]))
    return size_before_packing(*source.origin(item)) if isinstance(source, Joined) else None


def _stem(key: str) -> str:
    return same(str(Path(key).with_suffix("")))
