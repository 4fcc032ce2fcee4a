"""The kinds of items that can be learned from.

Axes: T frames, H W pixels, C channels, L samples.
"""

from collections.abc import Mapping
from typing import Literal

MAX_SIDE = 8192  # pixels of an image side
MAX_CHANNELS = 4096
ItemKind = Literal["image", "clip", "window"]
ItemSubset = Literal["all", "labelled", "unlabelled"]  # by what a method may know of them
ITEM_AXES: Mapping[ItemKind, str] = {
    "image": "[H, W, C]",
    "clip": "[T, H, W, C]",
    "window": "[C, L]",
}
