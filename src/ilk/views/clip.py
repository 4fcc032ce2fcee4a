"""Views of clips. Axes: B clips, T frames, H W pixels, C channels, S side of a view."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
from jaxtyping import Int, UInt8
from torch import Tensor

from ilk.core.items import ItemKind, ItemSubset
from ilk.core.seeding import uniforms
from ilk.views.background import Scenery
from ilk.views.image_view import ImageView
from ilk.views.plain import Plain
from ilk.views.view import require


@dataclass(frozen=True, kw_only=True, slots=True)
class ClipView:
    """A random view of a clip: consecutive frames, all changed in the same way.

    The view of images is drawn once for a clip, so that crop, flip and colours are the same in
    every frame, as is usual for clips (Qian et al., CVPR 2021,
    https://arxiv.org/abs/2008.03800, section 3.2). A clip with fewer frames shows some twice.

    Args:
        name: name of the view in its method.
        image: what is done to each frame; its own name does not matter.
        frames: how many frames come out.

    Raises:
        UserError: ``frames`` is below 1, or the view of images changes backgrounds.
    """

    kind: ClassVar[ItemKind] = "clip"

    name: str
    image: ImageView
    frames: int

    def __post_init__(self) -> None:
        require(self, "frames", self.frames >= 1, "at least 1")
        plain = self.image.background is None
        require(self, "image", plain, "a view that leaves backgrounds alone")

    @property
    def size(self) -> int:
        """The side of a frame that comes out, in pixels."""
        return self.image.size

    @property
    def subset(self) -> ItemSubset:
        """Which items it is made of."""
        return self.image.subset

    def min_pixels(self) -> None:
        """A clip is read whole."""

    def render(
        self,
        images: Sequence[UInt8[np.ndarray, "_ _ _ _"]],
        items: Int[np.ndarray, " B"],
        epoch: int,
        seed: int,
        scenery: Scenery | None = None,
    ) -> UInt8[Tensor, "B C T S S"]:
        """One view of each clip [T, H, W, C]; as ``View.render``."""
        chance = uniforms(seed, epoch, items, f"view/{self.name}/frames", 1)[:, 0]
        starts = [
            int(share * (len(clip) - min(self.frames, len(clip)) + 1))
            for share, clip in zip(chance, images, strict=True)
        ]
        chosen = _frames(images, starts, self.frames)
        # Chance is a function of the item, so frames of one item are changed equally.
        view = replace(self.image, name=self.name)
        made = view.render(chosen, np.repeat(items, self.frames), epoch, seed)
        return _as_clips(made, len(images))


@dataclass(frozen=True, kw_only=True, slots=True)
class PlainClip:
    """The view of a clip to measure with: the middle of its middle frames, without chance.

    Args:
        size: side of a frame that comes out, in pixels; see ``Plain``.
        frames: how many frames come out.
        name: name of the view.

    Raises:
        UserError: one of them is below 1.
    """

    kind: ClassVar[ItemKind] = "clip"

    size: int
    frames: int
    name: str = "plain"

    def __post_init__(self) -> None:
        require(self, "size", self.size >= 1, "at least 1")
        require(self, "frames", self.frames >= 1, "at least 1")

    @property
    def subset(self) -> ItemSubset:
        """It is made of all items."""
        return "all"

    def min_pixels(self) -> None:
        """A clip is read whole."""

    def render(
        self,
        images: Sequence[UInt8[np.ndarray, "_ _ _ _"]],
        items: Int[np.ndarray, " B"],
        epoch: int = 0,
        seed: int = 0,
        scenery: Scenery | None = None,
    ) -> UInt8[Tensor, "B C T S S"]:
        """The middle of each clip [T, H, W, C]; as ``View.render``."""
        starts = [(len(clip) - min(self.frames, len(clip))) // 2 for clip in images]
        chosen = _frames(images, starts, self.frames)
        made = Plain(size=self.size).render(chosen, np.repeat(items, self.frames))
        return _as_clips(made, len(images))


def _frames(
    clips: Sequence[UInt8[np.ndarray, "_ _ _ _"]], starts: Sequence[int], count: int
) -> list[UInt8[np.ndarray, "_ _ _"]]:
    """So many frames of each clip, one after the other; a short clip is stretched in time."""
    return [
        clip[start + number * min(count, len(clip)) // count]
        for clip, start in zip(clips, starts, strict=True)
        for number in range(count)
    ]


def _as_clips(frames: UInt8[Tensor, "_ C S S"], count: int) -> UInt8[Tensor, "B C T S S"]:
    return frames.unflatten(0, (count, -1)).transpose(1, 2)
