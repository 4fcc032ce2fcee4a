"""Synthetic images with ground truth: ten classes in many scenes, clips, seasons and looks."""

from ilk.rendered.rendered import DOMAINS, Rendered, Truth
from ilk.rendered.scene import BACKGROUNDS, CLASSES
from ilk.rendered.series import Series

__all__ = ["BACKGROUNDS", "CLASSES", "DOMAINS", "Rendered", "Series", "Truth"]
