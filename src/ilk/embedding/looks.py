"""How an encoder sees some images, place by place, ready to be drawn.

Axes: N images, S side of the view, C channels, H W places, F features.
"""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float32, UInt8
from torch import Tensor

from ilk.core import UserError
from ilk.core.seeding import permutation
from ilk.data import Bad, BadItem, Source, decode, read_item
from ilk.embedding.batches import moved
from ilk.embedding.job import Reading
from ilk.networks import Encoder
from ilk.networks.attention import looked_at
from ilk.networks.encoder import has_places
from ilk.views import Plain, normalise

AT_ONCE = 16  # images that go through the encoder together
SPAN = 0.02  # of components, left out at either end of their range


@dataclass(frozen=True, kw_only=True, slots=True)
class ImageLook:
    """One image as an encoder sees it.

    Args:
        item: its number.
        key: its key.
        view: its pixels as the encoder was given them.
        weights: how much each place counts, from 0 for the least to 1 for the most.
        components: the first three principal components of the features of places, as red,
            green and blue.
    """

    item: int
    key: str
    view: UInt8[np.ndarray, "S S C"]
    weights: Float32[np.ndarray, "H W"]
    components: UInt8[np.ndarray, "H W 3"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Looks:
    """Some images as an encoder sees them.

    Args:
        images: in the order of their source.
        kind: what the weights of places are, in words.
        explained: share of the variance of all places that each of the three components has.
        bad: images that could not be read.
    """

    images: tuple[ImageLook, ...]
    kind: str
    explained: tuple[float, float, float]
    bad: tuple[Bad, ...]


def drawn_items(count: int, most: int, seed: int) -> list[int]:
    """At most ``most`` of so many items, by seed, in ascending order.

    Example:
        >>> drawn_items(3, 12, 0)
        [0, 1, 2]
    """
    return sorted(permutation(seed, 0, count)[:most].tolist())


def look(encoder: Encoder, source: Source, items: list[int], reading: Reading) -> Looks:
    """What places of images an encoder looks at, and the components of what it sees there.

    Components have one basis for all images, so one colour means one thing on all of them.

    Args:
        encoder: of images, with places.
        source: of the images.
        items: which are looked at; those that cannot be read are left out and listed.
        reading: the device.

    Raises:
        UserError: the encoder has no places, or no image can be read.
    """
    if not has_places(encoder):
        raise UserError(
            f"look: the encoder must show images place by place, got {encoder.name}; give a "
            "run, timm:NAME or random:NAME"
        )
    views, good, bad = _views(encoder, source, items)
    if not good:
        raise UserError(
            f"look: some image must be readable, got none of {len(bad)}; the first is "
            f"{bad[0].key}: {bad[0].reason}"
        )
    places: list[Tensor] = []
    weights: list[Tensor] = []
    kind = ""
    with moved(encoder.module, reading.get("device", "auto")) as device:
        for part in views.split(AT_ONCE):
            pixels = normalise(part.to(device), encoder.mean, encoder.std)
            found = looked_at(encoder.module, pixels)
            places.append(found.places.cpu())
            weights.append(found.weights.cpu())
            kind = found.kind
    colours, explained = components(torch.cat(places))
    shown = views.permute(0, 2, 3, 1).numpy()
    return Looks(
        images=tuple(
            ImageLook(
                item=item, key=source.key(item), view=shown[row], weights=_spread(part),
                components=colours[row],
            )
            for row, (item, part) in enumerate(zip(good, torch.cat(weights), strict=True))
        ),
        kind=kind,
        explained=explained,
        bad=tuple(bad),
    )  # fmt: skip


def components(
    places: Float32[Tensor, "N F H W"],
) -> tuple[UInt8[np.ndarray, "N H W 3"], tuple[float, float, float]]:
    """The first three principal components of all places, as colours, and their shares.

    Each runs from 0 to 255 between its 2nd and 98th percentile; its sign is that of its largest
    loading, so that the same features have the same colours.

    Args:
        places: of all images.
    """
    rows = places.permute(0, 2, 3, 1).flatten(0, 2).double()
    rows = rows - rows.mean(0)
    variance, axes = torch.linalg.eigh(rows.T @ rows)
    kept = min(3, rows.shape[1])
    axes = axes.flip(1)[:, :kept]
    largest = axes.abs().argmax(0, keepdim=True)
    scores = torch.zeros(len(rows), 3, dtype=rows.dtype)
    scores[:, :kept] = rows @ (axes * axes.gather(0, largest).sign())
    low, high = (scores.quantile(end, dim=0) for end in (SPAN, 1 - SPAN))
    shares = ((scores - low) / (high - low).clamp_min(1e-12)).clamp(0, 1)
    pixels = (255 * shares).round().byte().unflatten(0, (len(places), *places.shape[2:]))
    total = variance.sum().clamp_min(1e-12)
    found = [float(part / total) for part in variance.flip(0)[:kept].clamp_min(0)]
    first, second, third = found + [0.0] * (3 - kept)
    return pixels.numpy(), (first, second, third)


def _spread(weights: Float32[Tensor, "H W"]) -> Float32[np.ndarray, "H W"]:
    """From 0 to 1, without the ends of their range; all 0 where all are equal."""
    low, high = (weights.quantile(end) for end in (SPAN, 1 - SPAN))
    return ((weights - low) / (high - low).clamp_min(1e-12)).clamp(0, 1).numpy()


def _views(
    encoder: Encoder, source: Source, items: list[int]
) -> tuple[Tensor, list[int], list[Bad]]:
    view = Plain(size=encoder.image_size)
    views: list[Tensor] = []
    good: list[int] = []
    bad: list[Bad] = []
    for item in items:
        try:
            pixels = decode(read_item(source, item), channels=encoder.channels)
        except BadItem as reason:
            bad.append(Bad(index=item, key=source.key(item), reason=str(reason)))
            continue
        views.append(view.render([pixels], np.array([item])))
        good.append(item)
    return torch.cat(views) if views else torch.empty(0), good, bad
