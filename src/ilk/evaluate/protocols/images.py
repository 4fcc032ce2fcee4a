"""Views of a source, batch after batch. Axes: B images, C channels, S side in pixels."""

from collections.abc import Iterable, Iterator

import numpy as np
import torch
from jaxtyping import Int64, UInt8
from torch import Tensor

from ilk.core import UserError
from ilk.core.prefetch import mapped_ahead
from ilk.data import BadItem, Source, decode, read_item
from ilk.views import Plain, View

HELD = 16  # decoded images that are rendered together
Order = Int64[np.ndarray, " _"]


def view_batches(
    source: Source,
    view: View | Plain,
    batches: Iterable[tuple[int, Order]],
    *,
    channels: int,
    seed: int,
    workers: int,
) -> Iterator[tuple[Order, UInt8[Tensor, "_ C S S"]]]:
    """The items of each batch and their views; no more than ``workers`` + 1 batches wait.

    Args:
        source: of images that can all be read.
        view: a pure function of image, item, epoch and seed.
        batches: epoch and items of each.
        channels: C.
        seed: of the view.
        workers: threads that read, decode and look.

    Raises:
        UserError: an image cannot be read any more.
    """

    def rendered(batch: tuple[int, Order]) -> tuple[Order, Tensor]:
        epoch, items = batch
        views: list[Tensor] = []
        for some in np.array_split(items, -(-len(items) // HELD)):
            decoded = [_pixels(source, item, channels) for item in some.tolist()]
            views.append(view.render(decoded, some, epoch, seed))
        return items, torch.cat(views)

    return mapped_ahead(rendered, batches, workers=workers, name="ilk-images")


def in_order(count: int, batch_size: int) -> list[tuple[int, Order]]:
    """Every item once, for measuring."""
    items = np.arange(count)
    return [(0, items[start : start + batch_size]) for start in range(0, count, batch_size)]


def _pixels(source: Source, item: int, channels: int) -> np.ndarray:
    try:
        return decode(read_item(source, item), channels=channels)
    except BadItem as error:
        raise UserError(
            f"evaluate: {source.key(item)} must stay readable, got '{error}'; start again"
        ) from error
