"""A look at the images before anything is chosen."""

import math
import statistics
import time
from dataclasses import dataclass, replace

import numpy as np

from ilk.core import UserError
from ilk.core.counts import count
from ilk.core.facts import LABEL
from ilk.data import BadItem, Source, decode, labels, read_item
from ilk.data.source import spread
from ilk.method import KnownShare, Method, check_batch
from ilk.networks import item_kind
from ilk.train.assemble import facts_learned, method_without_weights
from ilk.train.loop.kin_counts import reveal
from ilk.train.planning.defaults import LARGE
from ilk.train.settings import Settings

DECIDING = 32  # images whose size decides; always the same ones
LOOKED_AT = 1000
ENOUGH = 2
SECONDS = 2.0
PHOTO, SMALLEST = 224, 32  # sides to train at, in pixels
# What programs write where a value is missing.
NOTHING = frozenset(["nan", "NaN", "None", "null", "NULL", "NA", "<NA>", "N/A", "n/a", "-1"])


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
        unreadable: how many of them could not be decoded.
        equal: whether several of them were decoded and all have the same pixels.
        grey: whether all that were decoded have no colour.
        labelled: images whose label the method learns from; 0 where labels are for scores only.
        lonely: classes that have one of these images.
        again: of ``images``, labelled ones that come once more among the unlabelled ones.
        empty: classes that have none of these images.
        doubtful: name of a class that may stand for no class; empty where there is none.
        unread: name of a class of which no labelled image can be read, likewise.
        damaged: the first item that could not be decoded, and why; empty where there is none.
    """

    images: int
    classes: int
    width: int
    height: int
    side: float
    looked_at: int
    unreadable: int
    equal: bool = False
    grey: bool = False
    labelled: int = 0
    lonely: int = 0
    again: int = 0
    empty: int = 0
    doubtful: str = ""
    unread: str = ""
    damaged: str = ""

    def words(self) -> str:
        """One line for a person."""
        parts = [count(self.images - self.again, "image")]
        if self.width:
            parts.append(f"median {self.width} x {self.height} px")
        if self.unreadable or self.looked_at == self.images:
            of = "" if self.looked_at == self.images else f" of {self.looked_at:,} looked at"
            parts.append(f"{self.unreadable:,} unreadable{of}")
        if self.grey:
            parts.append("all grey")
        if self.labelled:
            of = count(self.classes - self.empty, "class", "classes")
            parts.append(f"{self.labelled:,} of them labelled, of {of}")
            if self.again:
                parts[-1] += ", and among the unlabelled ones too"
        elif self.classes > 1:
            parts.append(f"{self.classes:,} classes, used for scores only")
        return ", ".join(parts)


def surveyed(source: Source, asked: Settings, *, quiet: bool) -> Survey:
    """A look at images, unless there is nothing to choose by it, and at labels.

    Args:
        source: the images of the run.
        asked: as a person gave them.
        quiet: whether length and batch are named and the plan is not shown.

    Raises:
        UserError: the backbone reads clips or windows, and their size is not named.
    """
    found = _look(source, asked, quiet)
    share = facts_learned(asked).get(LABEL)
    if share is None:
        return found
    known = reveal(labels(source).astype(np.int32), share, seed=asked.seed)
    present, sizes = np.unique(known[known >= 0], return_counts=True)
    names = [source.classes[place] for place in present]
    return replace(
        found,
        labelled=int(sizes.sum()),
        lonely=int((sizes == 1).sum()),
        again=shown_again(method_without_weights(asked), source),
        empty=len(source.classes) - len(present),
        doubtful=next((name for name in names if name in NOTHING), ""),
        unread=_unread(source, known, asked.channels) if found.looked_at else "",
    )


def _unread(source: Source, known: np.ndarray, channels: int) -> str:
    """The first class none of whose images can be read, as far as two seconds show."""
    began = time.monotonic()
    for place in np.unique(known[known >= 0]).tolist():
        for index in np.flatnonzero(known == place).tolist():
            if time.monotonic() - began > SECONDS:
                return ""
            if _readable(source, index, channels):
                break
        else:
            return source.classes[place]
    return ""


def _readable(source: Source, index: int, channels: int) -> bool:
    try:
        decode(read_item(source, index), channels=channels)
    except (BadItem, ValueError):
        return False
    return True


def shown_again(method: Method, source: Source) -> int:
    """How many items are labelled images that come once more among the unlabelled ones."""
    rule = method.sampling
    comes_twice = isinstance(rule, KnownShare) and rule.fact == LABEL and rule.twice
    return int((labels(source) >= 0).sum()) if comes_twice else 0


def _look(source: Source, asked: Settings, quiet: bool) -> Survey:
    if item_kind(asked.backbone or "") != "image":
        if asked.image_size is None:
            raise UserError(
                f"image_size: must be named for {asked.backbone}, side of a frame in pixels "
                f"or the number of samples of a window, got none"
            )
        return unseen(source)
    if quiet and asked.backbone is not None and asked.image_size is not None:
        return unseen(source)
    return survey(source, asked.channels)


def survey(source: Source, channels: int, seconds: float = SECONDS) -> Survey:
    """Decode some images, for two seconds at most; the 32 that decide are always decoded."""
    seen = _Seen()
    sides: list[int] = []
    looked, damaged = 0, ""
    first = [int(index) for index in spread(len(source), DECIDING)]
    rest = [int(i) for i in spread(len(source), LOOKED_AT) if int(i) not in set(first)]
    began = time.monotonic()
    for number, index in enumerate([*first, *rest]):
        if number >= len(first) and time.monotonic() - began > seconds:
            break
        looked += 1
        try:
            pixels = decode(read_item(source, index), channels=channels)
            width, height = seen.add(pixels)
        except (BadItem, ValueError) as reason:  # no image
            damaged = damaged or f"{source.key(index)}: {reason}"
            continue
        if number < len(first):
            sides.append(min(width, height))
    return Survey(
        images=len(source),
        classes=len(source.classes),
        width=int(statistics.median(size[0] for size in seen.sizes)) if seen.sizes else 0,
        height=int(statistics.median(size[1] for size in seen.sizes)) if seen.sizes else 0,
        side=float(statistics.median(sides)) if sides else float(LARGE),
        looked_at=looked,
        unreadable=looked - len(seen.sizes),
        equal=seen.equal and len(seen.sizes) > 1,
        grey=seen.grey and bool(seen.sizes),
        damaged=damaged,
    )


class _Seen:
    """What the images that were decoded have in common."""

    def __init__(self) -> None:
        self.sizes: list[tuple[int, int]] = []
        self.equal = self.grey = True
        self._first: np.ndarray | None = None

    def add(self, pixels: np.ndarray) -> tuple[int, int]:
        """Look at one image [H, W, C]; width and height.

        Raises:
            ValueError: it is no image.
        """
        height, width, channels = pixels.shape
        if self._first is None:
            self._first = pixels
        self.equal = self.equal and np.array_equal(self._first, pixels)
        few = pixels[:: max(height // 64, 1), :: max(width // 64, 1)]
        self.grey = self.grey and channels > 1 and bool((few == few[..., :1]).all())
        self.sizes.append((width, height))
        return width, height


def check_enough(found: Survey, asked: Settings) -> None:
    """Refuse data in which no image can be compared with another, or that fill no batch.

    Args:
        found: what was found.
        asked: as a person gave them.

    Raises:
        UserError: there are fewer than two images, or fewer can be read, or the batch that was
            named is larger than data and method allow.
    """
    readable = found.images
    if found.looked_at == found.images:
        readable -= found.unreadable
    if readable < ENOUGH:
        raise UserError(
            f"data: must hold two images at least that can be read, for a method compares "
            f"images with one another, got {readable} of {count(found.images, 'item')}"
            f"{found.damaged and f'; {found.damaged}'}"
        )
    if asked.batch_size is not None:
        rule = method_without_weights(asked).sampling
        at_once = asked.batch_size // asked.accumulate
        check_batch(rule, found.labelled, found.images, at_once)


def unseen(source: Source) -> Survey:
    """What is known of images without a look at them."""
    return Survey(len(source), len(source.classes), 0, 0, float(LARGE), 0, 0)


def natural_size(side: float, largest: int = 224, patch: int = 1) -> int:
    """The size to train at: 224 px for photos, else about the images' own, from 32 px.

    Args:
        side: median of the shorter sides of the images, in pixels.
        largest: that is taken, in pixels.
        patch: number that the size must divide by, see `ilk.networks.patch_of`; where that is
            1, small images get steps of 16.
    """
    step = patch if patch > 1 else 16
    own = PHOTO if side >= LARGE else max(int(side), SMALLEST)
    return max(min(own, largest) // step, math.ceil(SMALLEST / step)) * step
