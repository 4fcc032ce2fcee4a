"""A batch mixed as it was drawn, with what each mixed image is made of.

Pixels are mixed on the device without waiting for it, but by PuzzleMix.
Axes: B images, R mixed images, C channels, d spatial axes: of windows, images or clips.
"""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Float64
from torch import Tensor

from ilk.core import Composition
from ilk.core.seeding import uniforms
from ilk.views.mixing import Draw
from ilk.views.pasting import (
    box_share,
    box_sides,
    box_starts,
    boxes_about,
    cutmix,
    cutout,
    mixup,
    resizemix,
)
from ilk.views.peaks import peaks
from ilk.views.per_image import blends, collages, on_host

HOLE = 1 / 2  # of the sides of an image: 16 of 32 pixels, as Cutout has them for CIFAR-10


@dataclass(frozen=True, slots=True)
class Mixed:
    """Mixed images.

    Args:
        images: of the kind that came in.
        composition: sources are items.
        share: of the first image, counted in pixels.
    """

    images: Float[Tensor, "R C *spatial"]
    composition: Composition
    share: Float[Tensor, " R"]


def mix(images: Float[Tensor, "B C *spatial"], draw: Draw, *, view: str) -> Mixed:
    """Mix one view of a batch; the input is not changed.

    Args:
        images: of any size; all sizes get the share that was drawn, up to whole pixels.
        draw: of this view.
        view: boxes lie elsewhere in a view of another name.
    """
    mixed, share = mix_pixels(images, draw, view=view)
    first, second = (send(draw.items[chosen], images) for chosen in (draw.rows, draw.partners))
    return Mixed(mixed, Composition.mixed(first, second, share), share)


def mix_pixels(
    images: Float[Tensor, "B C *spatial"], draw: Draw, *, view: str
) -> tuple[Float[Tensor, "R C *spatial"], Float[Tensor, " R"]]:
    """As `mix`: the mixed images, and the share of the first of both, counted in pixels."""
    if draw.strategy == "mixup":
        share = _share(draw.share, images)
        if on_host(images):
            mixed = blends(images, draw.rows, draw.partners, draw.share)
        else:
            mixed = mixup(*_pairs_of(images, draw), share)
    elif draw.strategy == "cutout":
        share = _share(draw.share, images)
        first, _ = _pairs_of(images, draw)
        mixed = cutout(first, *_holes(draw, first, view))
    elif draw.strategy == "puzzlemix":
        from ilk.views.puzzle import puzzles  # loads scipy's solvers, a tenth of a second

        mixed, share = puzzles(*_pairs_of(images, draw), draw.share, blocks=draw.blocks)
        share = _share(share, images)
    else:
        mixed, share = _pasted(images, draw, view)
    return mixed, share


def _pasted(
    images: Float[Tensor, "B C *spatial"], draw: Draw, view: str
) -> tuple[Float[Tensor, "R C *spatial"], Float[Tensor, " R"]]:
    """A box of the second image in the first one."""
    sizes = images.shape[2:]
    sides = box_sides(draw.share, sizes, snap=draw.snap)
    share, resized = _share(box_share(sides, sizes), images), draw.strategy == "resizemix"
    if draw.strategy == "saliencymix":
        _, second = _pairs_of(images, draw)
        starts = boxes_about(peaks(second), send(sides, images), sizes)
    else:
        starts = torch.from_numpy(box_starts(_chance(draw, len(sizes), view), sides, sizes))
    if on_host(images):
        lies = starts.numpy(), sides
        return collages(images, draw.rows, draw.partners, *lies, resized=resized), share
    paste = resizemix if resized else cutmix
    return paste(*_pairs_of(images, draw), _sent(starts, images), send(sides, images)), share


def _holes(draw: Draw, images: Tensor, view: str) -> tuple[Tensor, Tensor]:
    """Boxes about any pixel, of which only a part may lie inside."""
    sizes = np.array(images.shape[2:])
    centres = (_chance(draw, len(sizes), view) * sizes).astype(np.int64)
    sides = np.maximum(np.rint(HOLE * sizes), 1).astype(np.int64)
    return send(centres - sides // 2, images), send(
        np.broadcast_to(sides, centres.shape), images
    )


def _pairs_of(images: Tensor, draw: Draw) -> tuple[Tensor, Tensor]:
    """First and second images."""
    everyone = np.array_equal(draw.rows, np.arange(len(images)))
    first = images if everyone else images.index_select(0, send(draw.rows, images))
    return first, images.index_select(0, send(draw.partners, images))


def _chance(draw: Draw, axes: int, view: str) -> Float64[np.ndarray, "R d"]:
    """Where the box of each row lies; the same place where one serves the whole batch."""
    items, when = draw.items[draw.rows], draw.epoch
    if draw.step is not None:
        items, when = np.zeros_like(items), draw.step
    return uniforms(draw.seed, when, items, f"mix/box/{view}", axes)


def _share(share: Float64[np.ndarray, " R"], images: Tensor) -> Float[Tensor, " R"]:
    """On the device, in single precision unless the pixels are double."""
    double = images.dtype == torch.float64
    return send(share if double else share.astype(np.float32), images)


def send(array: np.ndarray, images: Tensor) -> Tensor:
    """A small array on the device of the images; the host does not wait for the copy."""
    return _sent(torch.from_numpy(array.copy()), images)


def _sent(tensor: Tensor, images: Tensor) -> Tensor:
    if images.device.type == "cuda" and tensor.device.type == "cpu":
        tensor = tensor.pin_memory()
    return tensor.to(images.device, non_blocking=True)
