"""DeiT's augmentation and optimiser groups, for fine-tuning. Axes: B images, C S S pixels.

timm draws from the generators of Python, NumPy and torch that a whole process shares, so each
use is put under ``seeded``, which leaves them as they were.
"""

import random
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import UInt8
from torch import Tensor, nn

from ilk.core.seeding import integer
from ilk.data import BadItem, Source, decode, read_item
from ilk.views import ImageView

SMALL = 64  # px: up to here a rotated or shifted image loses too much to its borders
COLOURS = (
    "AutoContrast", "Equalize", "Invert", "PosterizeIncreasing", "SolarizeIncreasing",
    "SolarizeAdd", "ColorIncreasing", "ContrastIncreasing", "BrightnessIncreasing",
    "SharpnessIncreasing",
)  # fmt: skip
GEOMETRY = ("Rotate", "ShearX", "ShearY", "TranslateXRel", "TranslateYRel")
RGB = 3
HELD = 16  # decoded images that wait for being cropped together


@contextmanager
def seeded(number: int) -> Generator[None]:
    """The generators of Python, NumPy and torch start at a number, and go back afterwards."""
    with torch.random.fork_rng(), seeded_pictures(number):
        torch.manual_seed(number)
        yield


@contextmanager
def seeded_pictures(number: int) -> Generator[None]:
    """Those of Python and NumPy alone: torch's take longer than what is done to an image."""
    python, numpy = random.getstate(), np.random.get_state()  # noqa: NPY002
    random.seed(number)
    np.random.seed(number % 2**32)  # noqa: NPY002
    try:
        yield
    finally:
        random.setstate(python)
        np.random.set_state(numpy)  # noqa: NPY002


@dataclass(frozen=True, slots=True)
class Augmented(torch.utils.data.Dataset[Any]):
    """Training views by (epoch, item): crop, flip, and RandAugment on colour images.

    DeiT, Touvron et al., ICML 2021, https://arxiv.org/abs/2012.12877, table 9: RandAugment of
    two operations, magnitude 9 with deviation 0.5, each applied with probability 1/2. Images
    of 64 px or less are cropped to no less than 35 % of their area instead of 8 %, and see
    only its operations on colour.

    Args:
        source: of images that can all be read.
        size: S, in pixels.
        channels: C; other than three are cropped and mirrored only.
        seed: a view is a pure function of seed, epoch and item.
    """

    source: Source
    size: int
    channels: int
    seed: int

    def __getitem__(self, place: tuple[int, int]) -> UInt8[Tensor, "C S S"]:
        """One view."""
        return self.__getitems__([place])[0]

    def __getitems__(self, places: list[tuple[int, int]]) -> list[UInt8[Tensor, "C S S"]]:
        """The views of a batch, which is of one epoch, as torch's loader asks for it."""
        small = self.size <= SMALL
        crop = ImageView(
            name="finetune", size=self.size, scale=(0.35 if small else 0.08, 1.0),
            interpolation="bicubic",
        )  # fmt: skip
        change = _rand_augment(COLOURS if small else COLOURS + GEOMETRY, self.size)
        views: list[Tensor] = []
        for start in range(0, len(places), HELD):
            epochs, items = zip(*places[start : start + HELD], strict=True)
            decoded = [self._pixels(item) for item in items]
            views += crop.render(decoded, np.array(items), epochs[0], self.seed)
        if self.channels != RGB:
            return views
        return [
            self._changed(change, view, epoch, item)
            for view, (epoch, item) in zip(views, places, strict=True)
        ]

    def _pixels(self, item: int) -> np.ndarray:
        try:
            return decode(read_item(self.source, item), channels=self.channels)
        except BadItem as error:
            raise OSError(f"{self.source.key(item)}: {error}") from error

    def _changed(self, change: Any, view: Tensor, epoch: int, item: int) -> Tensor:
        from PIL import Image

        picture = Image.fromarray(view.permute(1, 2, 0).contiguous().numpy())
        with seeded_pictures(integer(self.seed, epoch, f"finetune/augment/{item}")):
            changed = change(picture)
        return torch.from_numpy(np.array(changed)).permute(2, 0, 1)


def _rand_augment(names: Sequence[str], size: int) -> Any:
    from timm.data.auto_augment import RandAugment, rand_augment_ops

    settings = {
        "magnitude_std": 0.5,
        "magnitude_max": 9.99,  # of 10, at which no bit of a posterized image would be left
        "translate_const": int(0.45 * size),
        "img_mean": (124, 116, 104),
    }
    operations = rand_augment_ops(9, prob=0.5, hparams=settings, transforms=list(names))
    return RandAugment(operations, num_layers=2)


def decayed_groups(
    module: nn.Module, head: nn.Linear, *, weight_decay: float, layer_decay: float
) -> list[dict[str, Any]]:
    """Parameter groups with ``lr_scale``: powers of ``layer_decay`` from 1, the head's, down.

    Deeper layers learn slower, as in BEiT, Bao et al., ICLR 2022, appendix H; no weight decay
    on biases, norms and what the network exempts.
    """
    from timm.optim import param_groups_layer_decay

    exempt = getattr(module, "no_weight_decay", tuple)()
    groups = param_groups_layer_decay(
        module, weight_decay, no_weight_decay_list=exempt, layer_decay=layer_decay
    )
    for group in groups:  # timm's start at 1, since a network without classifier ends there
        group["lr_scale"] *= layer_decay
    return [
        *groups,
        {"params": [head.weight], "weight_decay": weight_decay, "lr_scale": 1.0},
        {"params": [head.bias], "weight_decay": 0.0, "lr_scale": 1.0},
    ]
