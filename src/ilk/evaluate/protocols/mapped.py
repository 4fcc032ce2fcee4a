"""Images place by place, beside what their masks say.

Axes: B images, C channels, S side of the view, F features, H W places, M patches.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float32, Int64, UInt8
from torch import Tensor

from ilk.core import UserError
from ilk.core.prefetch import mapped_ahead
from ilk.core.seeding import permutation, uniforms
from ilk.data import BadItem, LabelMaps, Source, decode, read_item
from ilk.embedding import moved
from ilk.evaluate.protocols.images import in_order
from ilk.evaluate.protocols.mask_classes import VALUES
from ilk.evaluate.protocols.protocol import Task
from ilk.networks import Encoder
from ilk.networks.places import MAP, feature_and_places
from ilk.views import Plain, normalise

MOST = 64  # images that go through the encoder at once: maps are larger than features


@dataclass(frozen=True, kw_only=True, slots=True)
class Mapped:
    """A batch of images as an encoder shows them.

    Args:
        items: their numbers.
        places: the map before pooling.
        masks: what each pixel of the view shows.
    """

    items: Int64[np.ndarray, " B"]
    places: Float32[Tensor, "B F H W"]
    masks: UInt8[np.ndarray, "B S S"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Patches:
    """Patches of images, and what they show.

    Args:
        vectors: their features.
        values: of most of their pixels.
        items: the images that they are of.
        present: values that any pixel of these images has.
    """

    vectors: Float32[Tensor, "M F"]
    values: UInt8[np.ndarray, " M"]
    items: Int64[np.ndarray, " M"]
    present: Int64[np.ndarray, " _"]

    def where(self, chosen: Bool[np.ndarray, " M"]) -> "Patches":
        """The patches where this holds."""
        return Patches(
            vectors=self.vectors[torch.from_numpy(chosen)], values=self.values[chosen],
            items=self.items[chosen], present=self.present,
        )  # fmt: skip


def train_patches(task: Task, most: int) -> Patches:
    """Patches of train, equally many of each image and no more than ``most``, by seed.

    Of more images than ``most`` so many are drawn, and a patch of each.

    Args:
        task: with images and masks of train.
        most: M at most.
    """
    images = task.images
    assert images is not None
    assert images.train is not None
    assert images.train_masks is not None
    count = len(images.train)
    order = np.arange(count)
    if count > most:
        order = np.sort(permutation(task.seed, 0, count)[:most])
    vectors, values, items, present = [], [], [], np.zeros(VALUES, bool)
    for batch in maps_of(task, images.train, images.train_masks, order):
        rows, columns = batch.places.shape[2:]
        labels = majority(batch.masks, (rows, columns)).reshape(len(batch.items), -1)
        quota = min(max(most // len(order), 1), rows * columns)
        chance = uniforms(task.seed, 0, batch.items, "evaluate/patches", rows * columns)
        chosen = np.sort(np.argsort(chance, axis=1, kind="stable")[:, :quota], axis=1)
        kept = batch.places.flatten(2).transpose(1, 2)
        places = torch.from_numpy(chosen)[..., None].expand(-1, -1, kept.shape[2])
        vectors.append(kept.gather(1, places).flatten(0, 1))
        values.append(np.take_along_axis(labels, chosen, axis=1).ravel())
        items.append(batch.items.repeat(quota))
        present[np.unique(batch.masks)] = True
    return Patches(
        vectors=torch.cat(vectors), values=np.concatenate(values), items=np.concatenate(items),
        present=np.flatnonzero(present),
    )  # fmt: skip


def maps_of(
    task: Task, source: Source, masks: LabelMaps, order: Int64[np.ndarray, " N"]
) -> Iterator[Mapped]:
    """Images of a source batch after batch, as the view to measure with shows them.

    Args:
        task: with the encoder.
        source: of images that can all be read.
        masks: of its items.
        order: of the items that are read.

    Raises:
        UserError: an image or its mask cannot be read.
    """
    images = task.images
    assert images is not None
    encoder = images.encoder
    size = min(images.batch_size, MOST)
    batches = [order[places] for _, places in in_order(len(order), size)]
    with moved(encoder.module, images.device) as place:
        for items, views, seen in _read(encoder, source, masks, batches, images.workers):
            pixels = normalise(views.to(place), encoder.mean, encoder.std)
            with torch.no_grad():
                shown = feature_and_places(encoder.module, pixels)[MAP].float().cpu()
            yield Mapped(items=items, places=shown, masks=seen)


def majority(
    masks: UInt8[np.ndarray, "B S S"], grid: tuple[int, int]
) -> UInt8[np.ndarray, "B H W"]:
    """The value of most pixels in each cell of a grid over a view; ties go to the smaller.

    Args:
        masks: of views.
        grid: H and W, at most S; a pixel is of the cell that its centre lies in.

    Example:
        >>> mask = np.array([[[7, 7, 1, 2], [7, 0, 2, 1]]], np.uint8)
        >>> majority(mask.repeat(2, axis=1), (2, 2)).tolist()
        [[[7, 1], [0, 1]]]
    """
    rows, columns = (
        ((np.arange(size) + 0.5) * cells / size).astype(np.int64)
        for size, cells in zip(masks.shape[1:], grid, strict=True)
    )
    cell = rows[:, None] * grid[1] + columns
    count = grid[0] * grid[1] * VALUES
    found = [
        np.bincount((cell * VALUES + mask).ravel(), minlength=count).reshape(*grid, VALUES)
        for mask in masks
    ]
    return np.stack([each.argmax(2).astype(np.uint8) for each in found])


def _read(
    encoder: Encoder, source: Source, masks: LabelMaps, batches: Iterable[np.ndarray],
    workers: int,
) -> Iterator[tuple[np.ndarray, Tensor, np.ndarray]]:  # fmt: skip
    view = Plain(size=encoder.image_size)

    def rendered(items: np.ndarray) -> tuple[np.ndarray, Tensor, np.ndarray]:
        views: list[Tensor] = []
        seen: list[np.ndarray] = []
        for item in items.tolist():
            pixels, mask = _pair(source, masks, item, encoder.channels)
            views.append(view.render([pixels], np.array([item])))
            rows, columns = view.under(*pixels.shape[:2])
            rows, columns = (
                np.minimum(part * side, side - 1).astype(np.int64)
                for part, side in zip((rows, columns), mask.shape, strict=True)
            )
            seen.append(mask[rows[:, None], columns])
        return items, torch.cat(views), np.stack(seen)

    return mapped_ahead(rendered, batches, workers=workers, name="ilk-maps")


def _pair(
    source: Source, masks: LabelMaps, item: int, channels: int
) -> tuple[np.ndarray, np.ndarray]:
    try:
        pixels = decode(read_item(source, item), channels=channels)
        return pixels, masks(item, (pixels.shape[0], pixels.shape[1]))
    except BadItem as error:
        raise UserError(
            f"evaluate: {source.key(item)} must be readable with its mask, got '{error}'"
        ) from error
