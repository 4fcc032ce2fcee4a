"""The random view of an image.

Axes: B images, C H W pixels, S side of a view.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
from jaxtyping import Bool, Int, UInt8
from torch import Tensor

from ilk.core.items import ItemKind, ItemSubset
from ilk.core.min_pixels import MinPixels
from ilk.core.seeding import uniforms
from ilk.views.autoaugment import DRAWS as POLICY_DRAWS
from ilk.views.autoaugment import policies
from ilk.views.background import Backdrop, Background, Scenery, backdrops
from ilk.views.draws import (
    CROP_DRAWS,
    NEUTRAL,
    TRIES,
    Draws,
    Interpolation,
    between,
    holes,
    resized_crops,
    share_inside,
    shifts,
)
from ilk.views.operations import NONE, Policies, Policy
from ilk.views.pixels import apply_together
from ilk.views.view import require

Jitter = tuple[float, float, float, float]
PROBABILITIES = (
    "flip", "jitter_p", "gray_p", "blur_p", "solarize_p", "autoaugment_p", "near_share",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True, slots=True)
class ImageView:
    """A random view with torchvision's semantics; the parameters are those of the papers.

    Crop, shift, flip, AutoAugment or another policy, jitter (its four operations in random
    order), grayscale, blur, solarize, Cutout.

    Args:
        name: of the view in its method; views of different names are independent.
        size: side of the square that comes out, in pixels.
        scale: share of the image's area that is cropped, smallest and largest.
        ratio: width over height of the crop, smallest and largest.
        interpolation: of the crop.
        flip: probability of mirroring.
        flip_as: name of a view of the same probability that is mirrored where this one is; None
            is none.
        jitter: strengths of brightness, contrast, saturation and hue. A strength x means a
            factor in [max(0, 1 - x), 1 + x]; for hue a shift in [-x, x] turns, x <= 1/2.
        jitter_p: probability of jittering at all.
        gray_p: probability of grayscale.
        blur_p: probability of the blur.
        blur_sigma: smallest and largest, in pixels of the view.
        blur_kernel: odd side of the blur kernel; None is as wide as sigma asks for, like PIL.
        solarize_p: probability of solarizing.
        solarize_threshold: grey level from which on pixels are inverted.
        background: what happens to it before any colour is changed; None is nothing.
        autoaugment_p: probability of a policy of AutoAugment (Cubuk et al., CVPR 2019,
            https://arxiv.org/abs/1805.09501) in the place of jitter, grayscale and blur.
        near: another view of the same image that the crop must overlap; None is none.
        near_share: of the crop's own area that must lie inside the other's. Where ten crops do
            not, the first one is taken as it is (Van Gansbeke et al., NeurIPS 2021).
        shift: largest shift in either direction, as a share of the view's side; what comes in
            at a border is mirrored. Whole pixels, all equally likely.
        policy: operations that are drawn for each image, such as ``RandAugment``; None is none.
        cutout: side of a grey square, as a share of the view's, whose centre is any pixel
            (DeVries and Taylor, 2017, https://arxiv.org/abs/1708.04552); 0 is none.
        subset: which items it is made of; other than all, the method must know their labels.

    Raises:
        UserError: if a parameter is outside its range.
    """

    kind: ClassVar[ItemKind] = "image"

    name: str
    size: int
    scale: tuple[float, float] = (0.08, 1.0)
    ratio: tuple[float, float] = (3 / 4, 4 / 3)
    interpolation: Interpolation = "bilinear"
    flip: float = 0.5
    flip_as: str | None = None
    jitter: Jitter = (0.0, 0.0, 0.0, 0.0)
    jitter_p: float = 0.0
    gray_p: float = 0.0
    blur_p: float = 0.0
    blur_sigma: tuple[float, float] = (0.1, 2.0)
    blur_kernel: int | None = None
    solarize_p: float = 0.0
    solarize_threshold: int = 128
    background: Background | None = None
    autoaugment_p: float = 0.0
    near: "ImageView | None" = None
    near_share: float = 0.1
    shift: float = 0.0
    policy: Policy | None = None
    cutout: float = 0.0
    subset: ItemSubset = "all"

    def __post_init__(self) -> None:
        low, high = self.scale
        require(self, "size", self.size >= 1, "at least 1")
        require(self, "scale", 0 < low <= high <= 1, "0 < smallest <= largest <= 1")
        require(self, "ratio", 0 < self.ratio[0] <= self.ratio[1], "0 < smallest <= largest")
        for field in PROBABILITIES:
            require(self, field, 0 <= getattr(self, field) <= 1, "a probability in [0, 1]")
        require(self, "jitter", min(self.jitter) >= 0, "not negative")
        require(self, "jitter", self.jitter[3] <= 1 / 2, "at most half a turn of hue")
        low, high = self.blur_sigma
        require(self, "blur_sigma", 0 < low <= high, "0 < smallest <= largest")
        kernel = 1 if self.blur_kernel is None else self.blur_kernel
        require(self, "blur_kernel", kernel > 0 and kernel % 2 == 1, "odd, or None")
        require(self, "solarize_threshold", self.solarize_threshold >= 0, "not negative")
        require(self, "shift", 0 <= self.shift <= 1 / 2, "in [0, 1/2]")
        require(self, "cutout", 0 <= self.cutout <= 1, "in [0, 1]")
        alone = self.policy is None or self.autoaugment_p == 0
        require(self, "autoaugment_p", alone, "0 with another policy")

    def min_pixels(self) -> MinPixels | None:
        """How much of an image its crops can show; a mask needs all pixels of the image.

        A crop has sides sqrt(s A r) and sqrt(s A / r) of an area A, or is the central one.
        """
        if self.background is not None:
            return None
        flattest, tallest = self.ratio[0], 1 / self.ratio[1]
        area = self.size**2 / (self.scale[0] * min(flattest, tallest))
        side = self.size / min(1, 1 / flattest, 1 / tallest)
        return MinPixels(math.ceil(area), math.ceil(side))

    def render(
        self,
        images: Sequence[UInt8[np.ndarray, "_ _ _"]],
        items: Int[np.ndarray, " B"],
        epoch: int,
        seed: int,
        scenery: Scenery | None = None,
    ) -> UInt8[Tensor, "B C S S"]:
        """One view of each image: a pure function of image, item, epoch, seed and view.

        Args:
            images: at least one, H W C of any height and width, all with the same channels.
            items: index of each image in its data set.
            epoch: or any other counter.
            seed: of the run.
            scenery: knows foregrounds; needed by a view that changes backgrounds.
        """
        return render_images([self], images, items, epoch, seed, scenery)[self.name]


def render_images(
    views: Sequence[ImageView],
    images: Sequence[UInt8[np.ndarray, "_ _ _"]],
    items: Int[np.ndarray, " B"],
    epoch: int,
    seed: int,
    scenery: Scenery | None = None,
) -> dict[str, UInt8[Tensor, "B C S S"]]:
    """Several views of each image by name, sooner than by ``ImageView.render``.

    Raises:
        ValueError: a view changes backgrounds, but no masks are given.
    """
    own: list[ImageView] = []
    behind: list[list[Backdrop | None]] = []
    made: dict[str, Tensor] = {}
    for view in views:
        shown, backs = _backdrops(view, images, items, epoch, seed, scenery)
        if shown is images:
            own.append(view)
            behind.append(backs)
        else:  # images of other sizes, so the crops are others as well
            made |= _rendered([view], shown, [backs], items, epoch, seed)
    made |= _rendered(own, images, behind, items, epoch, seed)
    return {view.name: made[view.name] for view in views}


def _backdrops(
    view: ImageView,
    images: Sequence[np.ndarray],
    items: np.ndarray,
    epoch: int,
    seed: int,
    scenery: Scenery | None,
) -> tuple[Sequence[np.ndarray], list[Backdrop | None]]:
    if view.background is None:
        return images, [None] * len(images)
    if scenery is None:
        raise ValueError(f"ImageView {view.name!r}: its background needs a scenery, got None")
    return backdrops(
        view.background, view.name, view.size, images, items, scenery, epoch=epoch, seed=seed
    )


def _rendered(
    views: Sequence[ImageView],
    images: Sequence[np.ndarray],
    behind: Sequence[Sequence[Backdrop | None]],
    items: np.ndarray,
    epoch: int,
    seed: int,
) -> dict[str, Tensor]:
    heights, widths = np.array([image.shape[:2] for image in images]).T
    drawn = [draw(view, heights, widths, items, epoch, seed) for view in views]
    made = apply_together(drawn, images, behind)
    return {view.name: pixels for view, pixels in zip(views, made, strict=True)}


def draw(
    view: ImageView,
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
    learnt, chosen = _policies(view, items, epoch, seed)
    placed = uniforms(seed, epoch, items, f"view/{view.name}/placed", 4)
    mirrored = (
        u if view.flip_as is None else uniforms(seed, epoch, items, f"view/{view.flip_as}", 36)
    )
    return Draws(
        size=view.size,
        interpolation=view.interpolation,
        boxes=_boxes(view, heights, widths, items, epoch, seed),
        flip=mirrored[:, 22] < view.flip,
        order=u[:, 24:28].argsort(1),
        jitter=np.where(~learnt[:, None] & (u[:, 23:24] < view.jitter_p), factors, NEUTRAL),
        gray=~learnt & (u[:, 32] < view.gray_p),
        sigma=np.where(~learnt & (u[:, 33] < view.blur_p), sigma, 0.0),
        blur_kernel=view.blur_kernel,
        solarize=u[:, 35] < view.solarize_p,
        solarize_threshold=view.solarize_threshold,
        policies=chosen,
        shifts=shifts(placed[:, :2], round(view.shift * view.size)),
        holes=holes(placed[:, 2:], round(view.cutout * view.size), view.size),
    )


def _boxes(
    view: ImageView,
    heights: Int[np.ndarray, " B"],
    widths: Int[np.ndarray, " B"],
    items: Int[np.ndarray, " B"],
    epoch: int,
    seed: int,
) -> Int[np.ndarray, "B 4"]:
    """Crops; those of a view that must be near another are drawn again where they are not."""

    def crops(stream: str) -> np.ndarray:
        u = uniforms(seed, epoch, items, stream, CROP_DRAWS)
        return resized_crops(u, heights, widths, view.scale, view.ratio)

    boxes = crops(f"view/{view.name}")
    if view.near is None:
        return boxes
    others = _boxes(view.near, heights, widths, items, epoch, seed)
    far = share_inside(boxes, others) < view.near_share
    for number in range(1, TRIES):
        if not far.any():
            break
        again = crops(f"view/{view.name}/{number}")
        found = far & (share_inside(again, others) >= view.near_share)
        boxes[found] = again[found]
        far &= ~found
    return boxes


def _policies(
    view: ImageView, items: Int[np.ndarray, " B"], epoch: int, seed: int
) -> tuple[Bool[np.ndarray, " B"], Policies | None]:
    """For which images AutoAugment takes the place of other colours; operations of all."""
    if view.policy is not None:
        u = uniforms(seed, epoch, items, f"view/{view.name}/policy", view.policy.draws)
        return np.zeros(len(items), bool), view.policy.draw(u, view.size)
    if view.autoaugment_p == 0:
        return np.zeros(len(items), bool), None
    u = uniforms(seed, epoch, items, f"view/{view.name}/autoaugment", 1 + POLICY_DRAWS)
    learnt, drawn = u[:, 0] < view.autoaugment_p, policies(u[:, 1:])
    return learnt, replace(drawn, operations=np.where(learnt[:, None], drawn.operations, NONE))
