"""Images as they look by chance: several views of each item of a source, as items.

Axes: S side of a view in pixels, C channels.
"""

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import UInt8

from ilk.data import Source, decode, read_item
from ilk.data.source import digest
from ilk.views import ImageView


@dataclass(frozen=True, kw_only=True, slots=True)
class Looked:
    """Views of the items of a source, all of one item after another, as items of their own.

    Args:
        source: the images.
        view: a square, which an encoder for this size takes as it is.
        views: number of views of each item.
        channels: number of channels of the pixels.
        seed: seed of the views.
    """

    source: Source
    view: ImageView
    views: int
    channels: int
    seed: int

    @property
    def name(self) -> str:
        """The source's."""
        return self.source.name

    @property
    def classes(self) -> tuple[str, ...]:
        """The source's."""
        return self.source.classes

    @property
    def fingerprint(self) -> str:
        """A digest of the source and of how it is looked at."""
        how = f"{self.view} {self.views} {self.channels} {self.seed}"
        return digest([self.source.fingerprint.encode(), how.encode()])

    def __len__(self) -> int:
        """All views of all items."""
        return len(self.source) * self.views

    def item(self, index: int) -> UInt8[np.ndarray, "S S C"]:
        """The pixels of a view.

        Raises:
            BadItem: the image cannot be read.
        """
        place, number = divmod(index, self.views)
        image = decode(read_item(self.source, place), channels=self.channels)
        view = replace(self.view, name=f"{self.view.name}{number}")
        (pixels,) = view.render([image], np.array([place]), 0, self.seed)
        return pixels.permute(1, 2, 0).contiguous().numpy()

    def label(self, index: int) -> int:
        """The image's."""
        return self.source.label(index // self.views)

    def key(self, index: int) -> str:
        """The image's, and the number of the view."""
        return f"{self.source.key(index // self.views)} view {index % self.views}"
