"""What a method makes of some images. Axes: B images, H W C pixels."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from jaxtyping import UInt8
from torch import Tensor

from ilk.method import Method, is_mixed, passes
from ilk.viewer.report import Looks, Picture
from ilk.views import Mixed, Strategy, mix

NAMES: dict[Strategy, str] = {"mixup": "Mixup", "cutmix": "CutMix", "resizemix": "ResizeMix"}


def looks(
    method: Method, images: Sequence[UInt8[np.ndarray, "_ _ C"]], *, seed: int
) -> tuple[Looks, ...]:
    """Every view of each image, and a mixed view by each strategy that the method uses.

    Args:
        method: whose views.
        images: shown as one batch, so that they are mixed with one another.
        seed: of the run.
    """
    items = np.arange(len(images))
    clean = {view.name: view.render(images, items, 0, seed) for view in method.views}
    made = [(f"view {name}", pixels, None) for name, pixels in clean.items()]
    made += _mixes(method, clean, seed)
    return tuple(
        Looks(
            image=_picture(image, f"image {row + 1}", f"image {row + 1} as it is in the data"),
            made=tuple(_view(row, *entry) for entry in made),
        )
        for row, image in enumerate(images)
    )


def _mixes(
    method: Method, clean: dict[str, Tensor], seed: int
) -> list[tuple[str, Tensor, Mixed | None]]:
    """A mix by each strategy, in turn of each view that is mixed for the student."""
    views = [p.view for p in passes(method) if p.network == "student" and is_mixed(p.view)]
    if method.mixing is None or not views:
        return []
    out: list[tuple[str, Tensor, Mixed | None]] = []
    for number, strategy in enumerate(dict.fromkeys(method.mixing.strategies)):
        view = views[number % len(views)]
        pixels = clean[view.removesuffix("~")]
        alone = replace(method.mixing, strategies=(strategy,))
        draw = alone.draw(np.arange(len(pixels)), epoch=0, step=0, seed=seed, view=view)
        mixed = mix(pixels.float(), draw, view=view)
        shown = mixed.images.round().clamp(0, 255).to(torch.uint8)
        out.append((f"{NAMES[strategy]} of {view.removesuffix('~')}", shown, mixed))
    return out


def _view(row: int, caption: str, pixels: Tensor, mixed: Mixed | None) -> Picture:
    rows = {row: row} if mixed is None else _first_sources(mixed)
    if row not in rows:  # a mix of halves has fewer rows than the batch
        return _picture(np.zeros((1, 1, 3), np.uint8), "", "no mix of this image")
    at = rows[row]
    shares = () if mixed is None else _shares(mixed, at)
    told = " and ".join(f"{share:.2f} of image {name}" for name, share in shares)
    alt = f"{caption}: {told}" if told else f"{caption} of image {row + 1}"
    return _picture(pixels[at].permute(1, 2, 0).numpy(), caption, alt, shares)


def _first_sources(mixed: Mixed) -> dict[int, int]:
    return {int(source): at for at, source in enumerate(mixed.composition.sources[:, 0])}


def _shares(mixed: Mixed, at: int) -> tuple[tuple[str, float], ...]:
    sources, shares = mixed.composition.sources[at], mixed.composition.shares[at]
    pairs = zip(sources.tolist(), shares.tolist(), strict=True)
    return tuple((str(source + 1), share) for source, share in pairs if share > 0)


def _picture(
    pixels: np.ndarray, caption: str, alt: str, shares: tuple[tuple[str, float], ...] = ()
) -> Picture:
    return Picture(pixels=pixels, caption=caption, alt=alt, shares=shares)
