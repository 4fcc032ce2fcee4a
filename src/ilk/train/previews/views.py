"""What a run's method makes of some images, as plain records. Axes: B images, H W C pixels."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from jaxtyping import UInt8
from torch import Tensor

from ilk.data import Reader, Source
from ilk.method import Method, is_mixed, passes
from ilk.train.assemble import assemble
from ilk.train.previews.losses import RowImage
from ilk.train.records.record import read_record, recorded_settings
from ilk.views import Mixed, Strategy, mix

NAMES: dict[Strategy, str] = {"mixup": "Mixup", "cutmix": "CutMix", "resizemix": "ResizeMix"}


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
    clean = {view.name: view.render(images, items, 0, seed) for view in method.views}
    mixes = _mixes(method, clean, seed)
    return tuple(
        ViewPreview(
            name=_name(row),
            pixels=image,
            views=(
                *(_clean(row, name, pixels) for name, pixels in clean.items()),
                *(mixed for kind, made in mixes for mixed in _mixed(row, kind, made)),
            ),
        )
        for row, image in enumerate(images)
    )


def _mixes(method: Method, clean: dict[str, Tensor], seed: int) -> list[tuple[str, Mixed]]:
    """A mix by each strategy, in turn of each view that is mixed for the student."""
    views = [p.view for p in passes(method) if p.network == "student" and is_mixed(p.view)]
    if method.mixing is None or not views:
        return []
    out: list[tuple[str, Mixed]] = []
    for number, strategy in enumerate(dict.fromkeys(method.mixing.strategies)):
        view = views[number % len(views)]
        pixels = clean[view.removesuffix("~")]
        alone = replace(method.mixing, strategies=(strategy,))
        draw = alone.draw(np.arange(len(pixels)), epoch=0, step=0, seed=seed, view=view)
        made = mix(pixels.float(), draw, view=view)
        out.append((f"{NAMES[strategy]} of view {view.removesuffix('~')}", made))
    return out


def _clean(row: int, name: str, pixels: Tensor) -> RowImage:
    drawn = pixels[row].permute(1, 2, 0).numpy()
    return RowImage(pixels=drawn, kind=f"view {name}", made_of=((_name(row), 1.0),))


def _mixed(row: int, kind: str, mixed: Mixed) -> list[RowImage]:
    """The mix whose first part is an image; a mix of halves has fewer rows than images."""
    rows = (mixed.composition.sources[:, 0] == row).nonzero().flatten().tolist()
    if not rows:
        return []
    at = rows[-1]
    pixels = mixed.images[at].round().clamp(0, 255).to(torch.uint8).permute(1, 2, 0).numpy()
    sources, shares = mixed.composition.sources[at], mixed.composition.shares[at]
    made_of = tuple(
        (_name(source), share)
        for source, share in zip(sources.tolist(), shares.tolist(), strict=True)
        if share > 0
    )
    return [RowImage(pixels=pixels, kind=kind, made_of=made_of)]


def _name(row: int) -> str:
    return f"image {row + 1}"
