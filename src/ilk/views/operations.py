"""Operations on pixels of which learnt and random policies are made, applied by torchvision.

Nearest pixels, black where an image was moved away: torchvision's defaults for AutoAugment.
Axes: B images, K operations, S side of a view, C channels.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor
from torchvision.transforms import functional as F

RGB = 3
NONE = -1  # no operation


def _moved(
    x: Tensor, *, across: float = 0, down: float = 0, shear: tuple[float, float] = (0, 0)
) -> Tensor:
    """Shears are slopes, taken about the top left corner; translations are whole pixels."""
    degrees = [math.degrees(math.atan(slope)) for slope in shear]
    corner = [0, 0] if any(shear) else None
    return F.affine(x, 0.0, [int(across), int(down)], 1.0, degrees, center=corner)


OPERATIONS: Mapping[str, Callable[[Tensor, float], Tensor]] = {
    "ShearX": lambda x, a: _moved(x, shear=(a, 0)),
    "Rotate": F.rotate,
    "Color": lambda x, a: F.adjust_saturation(x, 1 + a),
    "Contrast": lambda x, a: F.adjust_contrast(x, 1 + a),
    "Sharpness": lambda x, a: F.adjust_sharpness(x, 1 + a),
    "Posterize": lambda x, a: F.posterize(x, int(a)),
    "Solarize": F.solarize,
    "AutoContrast": lambda x, _: F.autocontrast(x),
    "Equalize": lambda x, _: F.equalize(x),
    "Invert": lambda x, _: F.invert(x),
    "Identity": lambda x, _: x,
    "ShearY": lambda x, a: _moved(x, shear=(0, a)),
    "TranslateX": lambda x, a: _moved(x, across=a),
    "TranslateY": lambda x, a: _moved(x, down=a),
    "Brightness": lambda x, a: F.adjust_brightness(x, 1 + a),
}
NAMES = tuple(OPERATIONS)
HUE_CHANGING = ("Color", "Posterize", "Solarize", "AutoContrast", "Equalize", "Invert")


@dataclass(frozen=True, slots=True)
class Policies:
    """What chance decided for a batch.

    Args:
        operations: numbers in ``NAMES``, in the order in which they are applied; ``NONE``.
        amounts: of each.
    """

    operations: Int[np.ndarray, "B K"]
    amounts: Float[np.ndarray, "B K"]

    def of(self, row: int) -> list[tuple[str, float]]:
        """Operations of one image by name, and their amounts."""
        pairs = zip(self.operations[row].tolist(), self.amounts[row].tolist(), strict=True)
        return [(NAMES[number], amount) for number, amount in pairs if number != NONE]


@runtime_checkable
class Policy(Protocol):
    """Decides which operations are applied to each image: a frozen dataclass."""

    __dataclass_fields__: ClassVar[dict[str, Any]]

    @property
    def operations(self) -> tuple[str, ...]:
        """Names of those that are drawn from, a field."""
        ...

    @property
    def draws(self) -> int:
        """How many uniforms an image needs."""
        ...

    def draw(self, uniforms: Float[np.ndarray, "B draws"], size: int) -> Policies:
        """Operations of each image, as a pure function of its uniforms in [0, 1).

        Args:
            uniforms: a row for each image.
            size: side of the view in pixels.
        """
        ...


def augment(view: UInt8[np.ndarray, "S S C"], operations: Sequence[tuple[str, float]]) -> None:
    """Apply operations in place.

    Of other than three channels each counts as a grey image of its own, as images of many bands
    are no colours; "Color" leaves them alone.
    """
    if not operations:
        return
    pixels = torch.from_numpy(view).permute(2, 0, 1)
    bands = pixels if view.shape[2] == RGB else pixels[:, None]
    for name, amount in operations:
        bands = OPERATIONS[name](bands, amount)
    view[:] = bands.reshape(pixels.shape).permute(1, 2, 0).numpy()
