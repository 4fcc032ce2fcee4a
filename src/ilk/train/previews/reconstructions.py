"""What a run draws in the place of what it did not see. Axes: B images, M patches, H W C."""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from ilk.core import Output
from ilk.core.patches import cut_patches, join_patches
from ilk.method import Patches
from ilk.train.loop.places import SMALLEST
from ilk.train.loop.step import KinRecord
from ilk.train.previews.step import StepPreview
from ilk.views import normalise

GREY = 128  # of what is hidden


@dataclass(frozen=True, kw_only=True, slots=True)
class Reconstruction:
    """An image, what a network saw of it, and what it drew.

    Args:
        item: number of the image.
        original: the view whose pixels were to be found.
        seen: what the network was shown; hidden cells are grey.
        drawn: its prediction; where only hidden cells count, with the others as they are.
    """

    item: int
    original: UInt8[np.ndarray, "H W C"]
    seen: UInt8[np.ndarray, "H W C"]
    drawn: UInt8[np.ndarray, "H W C"]


def reconstructions(seen: StepPreview, *, most: int = 6) -> tuple[Reconstruction, ...]:
    """Reconstructions of the first term whose targets are pixels; none where there is none.

    Args:
        seen: a batch as the run's terms see it.
        most: images, at most.
    """
    for record in seen.kin_records:
        target, asking = record.term.candidates[0], record.term.queries[0]
        if isinstance(target, Patches) and isinstance(asking, Output):
            return _drawn(seen, record, target, asking, most)
    return ()


def _drawn(
    seen: StepPreview, record: KinRecord, target: Patches, asking: Output, most: int
) -> tuple[Reconstruction, ...]:
    originals = seen.views[target.view][:most]
    count, size = originals.shape[:2]
    grid = (size // target.side, originals.shape[2] // target.side)
    cells = grid[0] * grid[1]
    rows = record.queries.vectors[: count * cells].float().cpu().unflatten(0, (count, cells))
    images = join_patches(
        _as_pixels(rows, originals, target, seen.statistics), target.side, grid
    )
    shown = _bytes(images, seen.statistics)
    inputs = seen.views[asking.view][:most].copy()
    hidden = record.queries.hidden
    if hidden is not None:
        away = hidden[: count * cells].cpu().view(count, *grid).numpy()
        away = away.repeat(target.side, axis=1).repeat(target.side, axis=2)
        inputs[away] = GREY
        if record.term.rows == "hidden":
            shown = np.where(away[..., None], shown, originals)
    return tuple(
        Reconstruction(item=int(item), original=original, seen=given, drawn=drawn)
        for item, original, given, drawn in zip(
            seen.items[:most], originals, inputs, shown, strict=True
        )
    )


def _as_pixels(
    rows: Float[Tensor, "B M D"],
    originals: UInt8[np.ndarray, "B H W C"],
    target: Patches,
    statistics: tuple[tuple[float, ...], tuple[float, ...]],
) -> Float[Tensor, "B M D"]:
    """Patches in units of normalised pixels: mean and deviation of each are put back."""
    if not target.standard:
        return rows
    pixels = torch.from_numpy(originals.copy()).permute(0, 3, 1, 2)
    own = cut_patches(normalise(pixels, *statistics), target.side)
    deviation = (own.var(dim=2, keepdim=True) + SMALLEST).sqrt()
    return rows * deviation + own.mean(dim=2, keepdim=True)


def _bytes(
    images: Float[Tensor, "B C H W"], statistics: tuple[tuple[float, ...], tuple[float, ...]]
) -> UInt8[np.ndarray, "B H W C"]:
    mean, std = (torch.tensor(s).view(1, -1, 1, 1) for s in statistics)
    shown = ((images * std + mean) * 255).round().clamp(0, 255).to(torch.uint8)
    return shown.permute(0, 2, 3, 1).numpy()
