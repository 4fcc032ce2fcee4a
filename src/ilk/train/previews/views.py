"""What a run's method makes of some images, as plain records. Axes: B images, H W C pixels."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from jaxtyping import UInt8
from torch import Tensor

from ilk.core import Composition, RowFacts
from ilk.data import Reader, Source
from ilk.method import Method, passes
from ilk.method.items import image_views
from ilk.train.assemble import assemble
from ilk.train.previews.records import RowImage
from ilk.train.records.record import read_record, recorded_settings
from ilk.views import (
    AdversarialView,
    Chance,
    Mixed,
    MixedView,
    RoleSwap,
    Strategy,
    Tiles,
    ViewRows,
    derive,
    mix,
    mosaic,
)

NAMES: dict[Strategy, str] = {
    "mixup": "Mixup", "cutmix": "CutMix", "resizemix": "ResizeMix", "cutout": "Cutout",
    "saliencymix": "SaliencyMix", "puzzlemix": "Puzzle Mix",
}  # fmt: skip


@dataclass(frozen=True, kw_only=True, slots=True)
class ViewPreview:
    """An image and its views.

    Args:
        name: of the image, as the shares of mixed views say it.
        pixels: of the image.
        views: clean ones first, then a mixed one by each strategy that has a row of the image.
    """

    name: str
    pixels: UInt8[np.ndarray, "H W C"]
    views: tuple[RowImage, ...]


def preview_views(directory: Path, images: Source, *, most: int = 6) -> tuple[ViewPreview, ...]:
    """The views that a run makes of the first images of a source.

    Args:
        directory: of the run.
        images: they are mixed with one another.
        most: images, at most.

    Raises:
        UserError: there is no run.
    """
    record = read_record(directory)
    settings, data = recorded_settings(record), record["data"]
    size = settings.image_size or 0
    method, _ = assemble(settings, size, data["items"], data["classes"], restored=True)
    image_views(method, "preview")
    reader = Reader(images, channels=settings.channels)
    pixels = [reader.read(row)[0] for row in range(min(most, len(images)))]
    return rendered_views(method, pixels, seed=settings.seed)


def rendered_views(
    method: Method, images: Sequence[UInt8[np.ndarray, "_ _ C"]], *, seed: int
) -> tuple[ViewPreview, ...]:
    """Every view of each image, and a mixed view by each strategy that the method uses.

    Args:
        method: whose views.
        images: taken as one batch, so that they are mixed with one another.
        seed: of the run.
    """
    items = np.arange(len(images))
    rendered = {view.name: view.render(images, items, 0, seed) for view in method.views}
    clean = _blocks(method, rendered, seed)
    mixes = _mixes(method, clean, seed)
    return tuple(
        ViewPreview(
            name=_name(row),
            pixels=image,
            views=(
                *(shown for view in clean.items() for shown in _clean(row, *view)),
                *(mixed for kind, made in mixes for mixed in _mixed(row, kind, made)),
            ),
        )
        for row, image in enumerate(images)
    )


def _blocks(
    method: Method, rendered: dict[str, Tensor], seed: int
) -> dict[str, tuple[Tensor, ...]]:
    """The blocks of each view that is no mix; each shows every image once."""
    items = np.arange(len(next(iter(rendered.values()))))
    plain = RowFacts(Composition.plain(torch.from_numpy(items)))
    rows = {name: ViewRows(pixels.float(), plain) for name, pixels in rendered.items()}
    # An adversarial view is what a network makes of it.
    unseen = AdversarialView | MixedView | RoleSwap
    others = [
        replace(view, standard=False) if isinstance(view, Tiles) else view
        for view in method.derived
        if not isinstance(view, unseen)
    ]
    made = derive(others, rows, method.all_views, Chance(items, epoch=0, step=0, seed=seed))
    images = {
        name: mosaic(view.images) if view.images.ndim == 5 else view.images
        for name, view in made.items()
    }
    return {name: images[name].chunk(view.facts.blocks) for name, view in made.items()}


def _mixes(
    method: Method, clean: dict[str, tuple[Tensor, ...]], seed: int
) -> list[tuple[str, Mixed]]:
    """A mix by each strategy, in turn of each view that is mixed for the student."""
    asked = [entry.view for entry in passes(method) if entry.network == "student"]
    mixes = [method.mixes[name] for name in asked if name in method.mixes]
    strategies: dict[Strategy, None] = dict.fromkeys(
        each for view in mixes for each in view.mixing.strategies
    )
    out: list[tuple[str, Mixed]] = []
    for number, strategy in enumerate(strategies):
        view = mixes[number % len(mixes)]
        pixels = clean[view.view][0]
        alone = replace(view.mixing, strategies=(strategy,))
        draw = alone.draw(np.arange(len(pixels)), epoch=0, step=0, seed=seed, view=view.name)
        out.append(
            (f"{NAMES[strategy]} of view {view.view}", mix(pixels, draw, view=view.name))
        )
    return out


def _clean(row: int, name: str, blocks: tuple[Tensor, ...]) -> Iterator[RowImage]:
    """The rows of an image in a view: one, or one of each block."""
    for number, pixels in enumerate(blocks, 1):
        which = "" if len(blocks) == 1 else f", {number} of {len(blocks)}"
        yield RowImage(
            pixels=_bytes(pixels[row]), kind=f"view {name}{which}", made_of=((_name(row), 1.0),)
        )


def _mixed(row: int, kind: str, mixed: Mixed) -> list[RowImage]:
    """The mix whose first part is an image; a mix of halves has fewer rows than images."""
    rows = (mixed.composition.sources[:, 0] == row).nonzero().flatten().tolist()
    if not rows:
        return []
    at = rows[-1]
    pixels = _bytes(mixed.images[at])
    sources, shares = mixed.composition.sources[at], mixed.composition.shares[at]
    made_of = tuple(
        (_name(source), share)
        for source, share in zip(sources.tolist(), shares.tolist(), strict=True)
        if share > 0
    )
    return [RowImage(pixels=pixels, kind=kind, made_of=made_of)]


def _bytes(image: Tensor) -> UInt8[np.ndarray, "H W C"]:
    return image.round().clamp(0, 255).to(torch.uint8).permute(1, 2, 0).numpy()


def _name(row: int) -> str:
    return f"image {row + 1}"
