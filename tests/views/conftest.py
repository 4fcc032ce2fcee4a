"""The plain reference engine: torchvision in double precision, one operation at a time."""

import math
from collections.abc import Callable, Sequence

import cv2
import numpy as np
import pytest
import torch
from torchvision.transforms import InterpolationMode
from torchvision.transforms.v2 import functional as F

from ilk.views import Draws

Picture = Callable[..., np.ndarray]
JITTER = (F.adjust_brightness, F.adjust_contrast, F.adjust_saturation, F.adjust_hue)


@pytest.fixture(scope="session")
def picture() -> Picture:
    """Smooth colourful structure with some grain: what images are like."""

    def make(height: int, width: int, channels: int = 3, seed: int = 0) -> np.ndarray:
        rng = np.random.default_rng(seed)
        coarse = rng.integers(0, 256, (height // 5 + 2, width // 5 + 2, channels), np.uint8)
        smooth = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
        grain = rng.integers(0, 12, (height, width, channels), np.uint8)
        return cv2.add(smooth.reshape(grain.shape), grain).reshape(grain.shape)

    return make


@pytest.fixture(scope="session")
def reference() -> Callable[[Draws, Sequence[np.ndarray]], np.ndarray]:
    """Grey levels 0..255 as doubles [B, C, S, S]: never rounded between the operations."""

    def render(draws: Draws, images: Sequence[np.ndarray]) -> np.ndarray:
        views = [_render(draws, row, image) for row, image in enumerate(images)]
        return torch.stack(views).numpy() * 255

    return render


def _render(draws: Draws, row: int, image: np.ndarray) -> torch.Tensor:
    mode = InterpolationMode(draws.interpolation)
    view = torch.from_numpy(image.copy()).permute(2, 0, 1).double() / 255
    size = [draws.size, draws.size]
    view = F.resized_crop(view, *draws.boxes[row].tolist(), size, mode, antialias=True)
    view = view.clamp(0, 1)  # bicubic overshoots
    if draws.flip[row]:
        view = F.horizontal_flip(view)
    view = _colour(draws, row, view) if len(image[0, 0]) == 3 else _bands(draws, row, view)
    if draws.sigma[row] > 0:
        view = _blur(view, float(draws.sigma[row]), draws.blur_kernel)
    if draws.solarize[row]:
        view = F.solarize(view, (draws.solarize_threshold - 0.5) / 255)
    return view


def _colour(draws: Draws, row: int, view: torch.Tensor) -> torch.Tensor:
    for operation in draws.order[row]:
        view = JITTER[operation](view, float(draws.jitter[row, operation]))
    return F.rgb_to_grayscale(view, num_output_channels=3) if draws.gray[row] else view


def _bands(draws: Draws, row: int, view: torch.Tensor) -> torch.Tensor:
    """Brightness and contrast of each band as if it were an image of its own."""
    bands = view[:, None]
    for operation in draws.order[row]:
        if operation < 2:
            bands = JITTER[operation](bands, float(draws.jitter[row, operation]))
    return bands[:, 0]


def _blur(view: torch.Tensor, sigma: float, kernel: int | None) -> torch.Tensor:
    widest = 2 * (view.shape[-1] - 1) + 1  # torchvision cannot mirror more than that
    wide = min(kernel or 2 * math.ceil(5 * sigma) + 1, widest)
    return F.gaussian_blur(view, [wide, wide], [sigma, sigma])
