"""Whether images that are made ready once would make a run shorter, by a few of them."""

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ilk.core.counts import size_words
from ilk.core.min_pixels import MinPixels
from ilk.data import BadItem, Pack, Packing, Source, decode, read_item
from ilk.data.packing import prepared
from ilk.data.source import spread

LEAST = 1.5  # how many times shorter an epoch must become to be worth a line
FEW, MOST = 3, 12  # images that are looked at first, and if packing may pay
SECONDS = 1.5  # that looking takes at most, beyond the first few
STEP = 32  # pixels, of which the side is a multiple
BESIDE = 1536  # bytes of a tar file beside each image


@dataclass(frozen=True, kw_only=True, slots=True)
class Gain:
    """What packing changes, by a few images.

    Args:
        shorter_side: at which no view would be any less sharp, in pixels.
        read: seconds to read and decode an image on one thread, as training does it.
        packed: seconds once it is packed.
        bytes: of all images, packed.
        threads: that can decode at once.
        shared: whether steps are computed by the cores that decode.
    """

    shorter_side: int
    read: float
    packed: float
    bytes: float
    threads: int = 1
    shared: bool = True


@dataclass(frozen=True, kw_only=True, slots=True)
class Work:
    """What a step does.

    Args:
        seconds: of the step.
        decoding: seconds of threads for the images of the step, added up.
        waiting: seconds of the step in which it waits for data.
    """

    seconds: float
    decoding: float
    waiting: float

    def share(self, gain: Gain) -> float:
        """Of the step, that decoding takes, in [0, 1]."""
        return min(self.decoding / gain.threads / self.seconds, 1.0)

    def times_shorter(self, gain: Gain) -> float:
        """What packing makes of it; steps that other devices compute lose waiting alone."""
        saved = self.share(gain) * self.seconds * max(1 - gain.packed / gain.read, 0.0)
        saved = saved if gain.shared else min(saved, self.waiting)
        return self.seconds / max(self.seconds - saved, 0.02 * self.seconds)


def gain_of(
    source: Source, needed: MinPixels | None, channels: int, least: float = 0.0
) -> Gain | None:
    """Read and pack a few images.

    Args:
        source: of the run.
        needed: how much of an image its views can ask for; None is all of it.
        channels: of the images.
        least: seconds of an image, below which its reading cannot matter.

    Returns:
        None where packing cannot help: views ask for whole images, reading takes little, or the
        images are packed already.
    """
    if needed is None or isinstance(source, Pack):
        return None
    side = max(needed.side, math.isqrt(max(needed.area - 1, 0)) + 1)
    packing = Packing(shorter_side=-(-side // STEP) * STEP)
    found: list[tuple[float, float, int]] = []
    began = time.perf_counter()
    for index in spread(len(source), MOST):
        late = time.perf_counter() - began > SECONDS
        if len(found) >= FEW and (late or _is_quick(found, least)):
            break
        try:
            found.append(_timed(source, int(index), packing, needed, channels))
        except BadItem:
            continue
    if not found or _is_quick(found, least):
        return None
    read, packed, size = np.mean(found, axis=0).tolist()
    return Gain(
        shorter_side=packing.shorter_side,
        read=read,
        packed=packed,
        bytes=(size + BESIDE) * len(source),
    )


def packing_line(gain: Gain, work: Work) -> str:
    """That packing pays; empty where an epoch would not be 1.5 times shorter.

    Args:
        gain: as measured.
        work: of a step.
    """
    times = work.times_shorter(gain)
    if times < LEAST:
        return ""
    return (
        f"decoding is {work.share(gain):.0%} of a step; ilk pack --shorter-side "
        f"{gain.shorter_side} would make an epoch {times:.{0 if times >= 3 else 1}f} times "
        f"shorter and take {size_words(gain.bytes)}"
    )


def profiled_line(record: Mapping[str, Any]) -> str:
    """The line by what was measured during a run with a profile.

    Args:
        record: of the run.
    """
    known, profile = record["plan"].get("packing"), record["profile"]
    if not known or not profile["steps"]:
        return ""
    decoding, waiting = profile["threads"]["decode"], profile["step"]["waiting"]
    work = Work(seconds=profile["seconds"], decoding=decoding, waiting=waiting)
    return packing_line(Gain(**known), work)


def _is_quick(found: list[tuple[float, float, int]], least: float) -> bool:
    return sum(read for read, _, _ in found) <= least * len(found)


def _timed(
    source: Source, index: int, packing: Packing, needed: MinPixels, channels: int
) -> tuple[float, float, int]:
    """Seconds of the original, seconds when packed, and bytes when packed."""
    data = prepared(read_item(source, index), packing).data
    mark = time.perf_counter()
    decode(read_item(source, index), channels=channels, detail=needed)
    between = time.perf_counter()
    decode(data, channels=channels, detail=needed)
    return between - mark, time.perf_counter() - between, len(data)
