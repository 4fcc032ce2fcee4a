"""A view: how an image is looked at, at random for training or plainly for measuring.

Axes: B images, C H W pixels, S side of a view.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Int, UInt8
from torch import Tensor

from ilk.core.errors import UserError
from ilk.core.seeding import uniforms
from ilk.views.draws import NEUTRAL, Draws, Interpolation, between, resized_crops
from ilk.views.pixels import apply_together, crop_resize

Jitter = tuple[float, float, float, float]


@dataclass(frozen=True, kw_only=True, slots=True)
class View:
    """A random view with torchvision's semantics; the parameters are those of the papers.

    Crop, flip, jitter (its four operations in random order), grayscale, blur, solarize.

    Args:
        name: of the view in its method; views of different names are independent.
        size: side of the square that comes out, in pixels.
        scale: share of the image's area that is cropped, smallest and largest.
        ratio: width over height of the crop, smallest and largest.
        interpolation: of the crop.
        flip: probability of mirroring.
        jitter: strengths of brightness, contrast, saturation and hue. A strength x means a
            factor in [max(0, 1 - x), 1 + x]; for hue a shift in [-x, x] turns, x <= 1/2.
        jitter_p: probability of jittering at all.
        gray_p: probability of grayscale.
        blur_p: probability of the blur.
        blur_sigma: smallest and largest, in pixels of the view.
        blur_kernel: odd side of the blur kernel; None is as wide as sigma asks for, like PIL.
        solarize_p: probability of solarizing.
        solarize_threshold: grey level from which on pixels are inverted.

    Raises:
        UserError: if a parameter is outside its range.
    """

    name: str
    size: int
    scale: tuple[float, float] = (0.08, 1.0)
    ratio: tuple[float, float] = (3 / 4, 4 / 3)
    interpolation: Interpolation = "bilinear"
    flip: float = 0.5
    jitter: Jitter = (0.0, 0.0, 0.0, 0.0)
    jitter_p: float = 0.0
    gray_p: float = 0.0
    blur_p: float = 0.0
    blur_sigma: tuple[float, float] = (0.1, 2.0)
    blur_kernel: int | None = None
    solarize_p: float = 0.0
    solarize_threshold: int = 128

    def __post_init__(self) -> None:
        low, high = self.scale
        _require(self, "size", self.size >= 1, "at least 1")
        _require(self, "scale", 0 < low <= high <= 1, "0 < smallest <= largest <= 1")
        _require(self, "ratio", 0 < self.ratio[0] <= self.ratio[1], "0 < smallest <= largest")
        for field in ("flip", "jitter_p", "gray_p", "blur_p", "solarize_p"):
            _require(self, field, 0 <= getattr(self, field) <= 1, "a probability in [0, 1]")
        _require(self, "jitter", min(self.jitter) >= 0, "not negative")
        _require(self, "jitter", self.jitter[3] <= 1 / 2, "at most half a turn of hue")
        low, high = self.blur_sigma
        _require(self, "blur_sigma", 0 < low <= high, "0 < smallest <= largest")
        kernel = 1 if self.blur_kernel is None else self.blur_kernel
        _require(self, "blur_kernel", kernel > 0 and kernel % 2 == 1, "odd, or None")
        _require(self, "solarize_threshold", self.solarize_threshold >= 0, "not negative")

    def render(
        self,
        images: Sequence[UInt8[np.ndarray, "_ _ _"]],
        items: Int[np.ndarray, " B"],
        epoch: int,
        seed: int,
    ) -> UInt8[Tensor, "B C S S"]:
        """One view of each image: a pure function of image, item, epoch, seed and view.

        Args:
            images: at least one, H W C of any height and width, all with the same channels.
            items: index of each image in its data set.
            epoch: or any other counter.
            seed: of the run.
        """
        return render([self], images, items, epoch, seed)[self.name]


def render(
    views: Sequence[View],
    images: Sequence[UInt8[np.ndarray, "_ _ _"]],
    items: Int[np.ndarray, " B"],
    epoch: int,
    seed: int,
) -> dict[str, UInt8[Tensor, "B C S S"]]:
    """Several views of each image by name, the very ones that ``View.render`` makes, sooner."""
    heights, widths = np.array([image.shape[:2] for image in images]).T
    drawn = [draw(view, heights, widths, items, epoch, seed) for view in views]
    made = apply_together(drawn, images)
    return {view.name: pixels for view, pixels in zip(views, made, strict=True)}


@dataclass(frozen=True, slots=True)
class Plain:
    """The view to measure with: the middle of the image, no chance involved.

    An image whose shorter side is at least ``size / crop`` is large: the shorter side is scaled
    to that (256 for 224), then the centre is cut out, to the pixel as torchvision does it. A
    smaller image has no margin to spare: its central square is scaled to ``size``. A square
    image of ``size`` pixels therefore comes out as it went in.

    Args:
        size: side of the square that comes out, in pixels.
        crop: share of the shorter side of a large image that is kept; 1 keeps all of it.
        interpolation: of the scaling, anti-aliased.
        name: of the view.

    Raises:
        UserError: if a parameter is outside its range.
    """

    size: int
    crop: float = 224 / 256
    interpolation: Interpolation = "bilinear"
    name: str = "plain"

    def __post_init__(self) -> None:
        _require(self, "size", self.size >= 1, "at least 1")
        _require(self, "crop", 0 < self.crop <= 1, "a share in (0, 1]")

    def render(
        self,
        images: Sequence[UInt8[np.ndarray, "_ _ _"]],
        items: Int[np.ndarray, " B"],
        epoch: int = 0,
        seed: int = 0,
    ) -> UInt8[Tensor, "B C S S"]:
        """The middle of each image; items, epoch and seed are those of ``View.render``."""
        views = np.empty((len(images), self.size, self.size, images[0].shape[2]), np.uint8)
        for view, image in zip(views, images, strict=True):
            self._middle(image, view)
        return torch.from_numpy(views).permute(0, 3, 1, 2)

    def _middle(self, image: np.ndarray, out: np.ndarray) -> None:
        height, width, channels = image.shape
        shorter, target, size = min(height, width), math.floor(self.size / self.crop), self.size
        if shorter < target:
            box = (height - shorter) // 2, (width - shorter) // 2, shorter, shorter
            crop_resize(image, box, out, self.interpolation)
            return
        shape = target * height // shorter, target * width // shorter
        resized = np.empty((*shape, channels), np.uint8)
        crop_resize(image, (0, 0, height, width), resized, self.interpolation)
        top, left = (round((side - size) / 2) for side in shape)
        out[:] = resized[top : top + size, left : left + size]


def draw(
    view: View,
    heights: Int[np.ndarray, " B"],
    widths: Int[np.ndarray, " B"],
    items: Int[np.ndarray, " B"],
    epoch: int,
    seed: int,
) -> Draws:
    """All random numbers of a batch at once; a row depends on its item and image size alone."""
    u = uniforms(seed, epoch, items, f"view/{view.name}", 36)
    strengths = np.array(view.jitter)
    low = np.maximum(NEUTRAL - strengths, [0, 0, 0, -0.5])
    factors = low + (NEUTRAL + strengths - low) * u[:, 28:32]
    sigma = between(u[:, 34], *view.blur_sigma)
    return Draws(
        size=view.size,
        interpolation=view.interpolation,
        boxes=resized_crops(u[:, :22], heights, widths, view.scale, view.ratio),
        flip=u[:, 22] < view.flip,
        order=u[:, 24:28].argsort(1),
        jitter=np.where(u[:, 23:24] < view.jitter_p, factors, NEUTRAL),
        gray=u[:, 32] < view.gray_p,
        sigma=np.where(u[:, 33] < view.blur_p, sigma, 0.0),
        blur_kernel=view.blur_kernel,
        solarize=u[:, 35] < view.solarize_p,
        solarize_threshold=view.solarize_threshold,
    )


def _require(view: "View | Plain", field: str, holds: bool, what: str) -> None:
    if not holds:
        raise UserError(
            f"{type(view).__name__} {view.name!r}: {field} must be {what},"
            f" got {getattr(view, field)}"
        )
