"""Runs of seconds: a few small images, a small network, a handful of steps."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ilk.train import Settings

TINY: Mapping[str, Any] = {
    "method": "moco-v3",
    "method_options": {"hidden": 16, "dim": 8, "warmup_epochs": 1},
    "mix": "sdmp",
    "backbone": "resnet_mini",
    "backbone_options": {"stem": "small", "widths": [16, 16, 16], "depths": [1, 1, 1]},
    "image_size": 32,
    "batch_size": 8,
    "workers": 1,
    "device": "cpu",
    "precision": "32-true",
}


class Witness:
    """A watcher that remembers."""

    def __init__(self) -> None:
        self.steps: list[int] = []
        self.messages: list[str] = []

    def on_step(self, step: int, steps: int, numbers: dict[str, float]) -> None:
        self.steps.append(step)

    def on_message(self, message: str) -> None:
        self.messages.append(message)


@pytest.fixture
def tiny() -> Callable[..., Settings]:
    def make(**changes: Any) -> Settings:
        return Settings(**{**TINY, "steps": 6, **changes})

    return make


@pytest.fixture
def pictures() -> tuple[np.ndarray, np.ndarray]:
    """32 images in four classes that differ in colour."""
    chance = np.random.default_rng(0)
    labels = np.arange(32) % 4
    tint = np.array([[200, 60, 60], [60, 200, 60], [60, 60, 200], [160, 160, 60]])[labels]
    noise = chance.integers(-40, 40, (32, 32, 32, 3))
    return np.clip(tint[:, None, None] + noise, 0, 255).astype(np.uint8), labels


@pytest.fixture
def folder(tmp_path: Path, pictures) -> Path:
    """The same images as files, a folder a class."""
    import cv2

    for number, (pixels, label) in enumerate(zip(*pictures, strict=True)):
        place = tmp_path / "images" / f"class{label}"
        place.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(place / f"{number:03}.png"), pixels)
    return tmp_path / "images"
