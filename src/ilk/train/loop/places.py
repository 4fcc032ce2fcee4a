"""Rows of the places of images: cells of a feature map, or tokens.

Axes: B images, D features, M places, A asked places of all images, N rows.
"""

import math
from dataclasses import replace
from typing import TypeVar

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from ilk.core import AlignedKin, Composition, Kin, RowFacts, Rows, full
from ilk.core.patches import cut_patches
from ilk.method import Patches, Term

K = TypeVar("K", Kin, AlignedKin)

SMALLEST = 1e-6  # variance of a patch, which may be of one colour
_PLACE_BITS = 40  # numbers of images in a step stay below 2 to this


def place_by_place(
    shown: Float[Tensor, "B ..."], facts: RowFacts, slots: Int[Tensor, " B"]
) -> Rows:
    """A row for each of the M places of each image, image after image, places by raster.

    A place is made of what its image is made of, and lies in its part of it. The slots of
    places are none that an image of the step has.

    Args:
        shown: tokens [B, M, D] of a square grid, or a map [B, D, H, W].
        facts: facts of the images.
        slots: slots of the images.
    """
    tokens = shown.flatten(2).transpose(1, 2) if shown.ndim == 4 else shown
    count = tokens.shape[1]
    side = math.isqrt(count)
    rows, columns = shown.shape[2:] if shown.ndim == 4 else (side, side)
    numbers = torch.arange(1, count + 1, device=slots.device) << _PLACE_BITS
    boxes = None
    if facts.place is not None and rows * columns == count:
        boxes = parts_of(facts.place, rows, columns)
    return Rows(
        tokens.flatten(0, 1),
        Composition(
            facts.composition.sources.repeat_interleave(count, dim=0),
            facts.composition.shares.repeat_interleave(count, dim=0),
        ),
        (slots[:, None] + numbers).flatten(),
        task=None if facts.task is None else facts.task.repeat_interleave(count),
        place=boxes,
        hidden=_hidden(facts, count),
    )


def asked_places(
    vectors: Float[Tensor, "A D"], facts: RowFacts, slots: Int[Tensor, " B"]
) -> Rows:
    """The rows of the places that the masks of some images ask for.

    A place has the slot that it has among all places of its image.

    Args:
        vectors: one for each of `ilk.core.Mask.asked_cells`.
        facts: facts of the images, with their mask.
        slots: slots of the images.
    """
    mask = facts.mask
    if mask is None:
        raise ValueError("asked: rows must be of a view that has a mask, its has none")
    image, cell = mask.asked_cells()
    made, boxes = facts.composition, None
    if facts.place is not None:
        boxes = parts_of(facts.place, *mask.grid).unflatten(0, (len(slots), -1))[image, cell]
    return Rows(
        vectors,
        Composition(made.sources[image], made.shares[image]),
        slots[image] + ((cell + 1) << _PLACE_BITS),
        task=None if facts.task is None else facts.task[image],
        place=boxes,
        hidden=mask.hidden.flatten(1)[image, cell],
    )


def as_counted(term: Term, kin: K, queries: Rows) -> K:
    """The kin of a term with the rows over which its loss is a mean.

    Those of hidden places alone, or those of each image together as one.
    """
    if term.rows == "images":
        many = rows_of_its_image(queries.slots, kin.related).clamp(min=1)
        own = torch.ones_like(many) if kin.importance is None else kin.importance
        return replace(kin, importance=own / many)
    if term.rows != "hidden":
        return kin
    if queries.hidden is None:
        raise ValueError(f"term {term.name}: queries must be cells of a mask, they are not")
    kept = queries.hidden if isinstance(kin, AlignedKin) else queries.hidden[:, None]
    return replace(kin, weights=kin.weights * kept)


def rows_of_its_image(
    slots: Int[Tensor, " N"], counted: Bool[Tensor, " N"]
) -> Int[Tensor, " N"]:
    """How many of the counted rows are places of the same image, for each row."""
    images = slots & ((1 << _PLACE_BITS) - 1)
    # What is not counted is put behind all images, so that a sorted list has the others.
    ordered = images.masked_fill(~counted, 1 << _PLACE_BITS).sort().values
    ends = (torch.searchsorted(ordered, images, right=right) for right in (True, False))
    return next(ends) - next(ends)


def _hidden(facts: RowFacts, count: int) -> Bool[Tensor, " places"] | None:
    """Which places the network did not see, where they are the cells of the mask."""
    mask = facts.mask
    if mask is None or math.prod(mask.grid) != count:
        return None
    return mask.hidden.flatten()


def patch_rows(images: Float[Tensor, "B C H W"], source: Patches) -> Float[Tensor, "B M D"]:
    """The patches that queries are compared with.

    Args:
        images: normalised.
        source: of which side, and whether each has mean 0 and variance 1.
    """
    patches = cut_patches(full(images), source.side)
    if not source.standard:
        return patches
    apart = patches - patches.mean(dim=2, keepdim=True)
    return apart / (patches.var(dim=2, keepdim=True) + SMALLEST).sqrt()


def parts_of(boxes: Float[Tensor, "B 4"], rows: int, columns: int) -> Float[Tensor, "places 4"]:
    """The boxes of the cells of a grid, box after box, cells by raster; see `RowFacts`."""
    top, left, bottom, right = (edge[:, None, None] for edge in boxes.unbind(dim=1))
    y = torch.arange(rows, device=boxes.device)[None, :, None] / rows
    x = torch.arange(columns, device=boxes.device)[None, None, :] / columns
    height, width = bottom - top, right - left
    edges = (
        top + height * y,
        left + width * x,
        top + height * (y + 1 / rows),
        left + width * (x + 1 / columns),
    )
    return torch.stack(torch.broadcast_tensors(*edges), dim=-1).flatten(0, 2)
