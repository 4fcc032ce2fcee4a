"""A look at the images before anything is chosen."""

import statistics
import time
from dataclasses import dataclass

from ilk.core.counts import count
from ilk.data import BadItem, Source, decode, read_item
from ilk.data.source import spread
from ilk.train.planning.defaults import LARGE

DECIDING = 32  # images whose size decides; always the same ones
LOOKED_AT = 1000
SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Survey:
    """What was found.

    Args:
        images: in the data.
        classes: that are labelled.
        width: median, in pixels.
        height: median, in pixels.
        side: median shorter side of 32 images, in pixels.
        looked_at: images that were decoded, evenly spread.
        unreadable: of them.
    """

    images: int
    classes: int
    width: int
    height: int
    side: float
    looked_at: int
    unreadable: int

    def words(self) -> str:
        """One line for a person."""
        parts = [count(self.images, "image")]
        if self.width:
            parts.append(f"median {self.width} x {self.height} px")
        if self.unreadable or self.looked_at == self.images:
            of = "" if self.looked_at == self.images else f" of {self.looked_at:,} looked at"
            parts.append(f"{self.unreadable:,} unreadable{of}")
        if self.classes > 1:
            parts.append(f"{self.classes:,} classes, used for scores only")
        return ", ".join(parts)


def survey(source: Source, channels: int, seconds: float = SECONDS) -> Survey:
    """Decode some images, for two seconds at most; the 32 that decide are always decoded."""
    sides: list[int] = []
    sizes: list[tuple[int, int]] = []
    looked = unreadable = 0
    first = [int(index) for index in spread(len(source), DECIDING)]
    rest = [int(i) for i in spread(len(source), LOOKED_AT) if int(i) not in set(first)]
    began = time.monotonic()
    for number, index in enumerate([*first, *rest]):
        if number >= len(first) and time.monotonic() - began > seconds:
            break
        looked += 1
        try:
            height, width = decode(read_item(source, index), channels=channels).shape[:2]
        except (BadItem, ValueError):  # no image
            unreadable += 1
            continue
        sizes.append((width, height))
        if number < len(first):
            sides.append(min(width, height))
    return Survey(
        images=len(source),
        classes=len(source.classes),
        width=int(statistics.median(size[0] for size in sizes)) if sizes else 0,
        height=int(statistics.median(size[1] for size in sizes)) if sizes else 0,
        side=float(statistics.median(sides)) if sides else float(LARGE),
        looked_at=looked,
        unreadable=unreadable,
    )


def unseen(source: Source) -> Survey:
    """Of images that nobody needs to look at."""
    return Survey(len(source), len(source.classes), 0, 0, float(LARGE), 0, 0)


def natural_size(side: float, largest: int = 224) -> int:
    """The size to train at: 224 for photos, else the images' own, in steps of 16 from 32."""
    own = 224 if side >= LARGE else max(int(side) // 16 * 16, 32)
    return min(own, largest)
