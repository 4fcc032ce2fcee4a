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
MOST = 24  # images that are looked at
SECONDS = 1.5  # that looking takes, of one more image at most
STEP = 32  # pixels, of which the side is a multiple
BESIDE = 1536  # bytes of a tar file beside each image


@dataclass(frozen=True, kw_only=True, slots=True)
class Gain:
    """What packing changes, by a few images.

    Args:
        shorter_side: at which no view would be any less sharp, in pixels.
        read: seconds to read and decode an image on one thread, as training does it.
        packed: seconds once it is packed.
        bytes: bytes of all images, packed.
        shared: whether steps are computed by the processors that decode; seconds are then those
            of the processor, which other work on the machine does not change.
        threads: that decode beside the step, where they are not shared.
    """

    shorter_side: int
    read: float
    packed: float
    bytes: float
    shared: bool = True
    threads: int = 1


@dataclass(frozen=True, kw_only=True, slots=True)
class Work:
    """What a step does.

    Args:
        seconds: seconds of the step, those of the processor where it is shared.
        decoding: seconds of threads for the images of the step, added up; likewise.
        waiting: seconds of the step in which it waits for data.
    """

    seconds: float
    decoding: float
    waiting: float

    @classmethod
    def of(cls, profile: Mapping[str, Any], *, shared: bool, waiting: float) -> "Work":
        """From the table of a profile."""
        spent = profile["processor"] if shared else profile["threads"]
        seconds = profile["processor"]["step"] if shared else profile["seconds"]
        return cls(seconds=seconds, decoding=spent["decode"], waiting=waiting)

    def share(self, threads: int) -> float:
        """The part of the step that decoding takes, in [0, 1]."""
        return min(self.decoding / threads / self.seconds, 1.0)

    def times_shorter(self, gain: Gain) -> float:
        """What packing makes of it; steps that other devices compute lose waiting alone."""
        saved = self.share(gain.threads) * self.seconds * max(1 - gain.packed / gain.read, 0.0)
        saved = saved if gain.shared else min(saved, self.waiting)
        return self.seconds / max(self.seconds - saved, 0.02 * self.seconds)


def gain_of(
    source: Source, needed: MinPixels | None, channels: int, *, shared: bool
) -> Gain | None:
    """Read and pack a few images.

    Args:
        source: the images of the run.
        needed: how much of an image its views can ask for; None is all of it.
        channels: number of channels of the images.
        shared: see ``Gain``.

    Returns:
        None where packing cannot help: views ask for whole images, images are packed already,
        or none could be read.
    """
    if needed is None or isinstance(source, Pack):
        return None
    side = max(needed.side, math.isqrt(max(needed.area - 1, 0)) + 1)
    packing = Packing(shorter_side=-(-side // STEP) * STEP)
    found: list[tuple[float, float, int]] = []
    began = time.perf_counter()
    for index in np.random.default_rng(0).permutation(spread(len(source), MOST)):
        if time.perf_counter() - began > SECONDS:
            break
        try:
            found.append(_timed(source, int(index), packing, (needed, channels, shared)))
        except BadItem:
            continue
    if not found:
        return None
    read, packed, size = np.mean(found, axis=0).tolist()
    return Gain(
        shorter_side=packing.shorter_side,
        read=read,
        packed=packed,
        bytes=(size + BESIDE) * len(source),
        shared=shared,
    )


def packing_line(gain: Gain, work: Work) -> str:
    """That packing pays; empty where an epoch would not be 1.5 times shorter.

    Args:
        gain: as measured.
        work: the work of a step.
    """
    times = work.times_shorter(gain)
    if times < LEAST:
        return ""
    return (
        f"decoding is {work.share(gain.threads):.0%} of a step; ilk pack --shorter-side "
        f"{gain.shorter_side} would make an epoch {times:.{0 if times >= 3 else 1}f} times "
        f"shorter and take {size_words(gain.bytes)}"
    )


def profiled_line(record: Mapping[str, Any]) -> str:
    """The line by what was measured during a run with a profile.

    Args:
        record: the record of the run.
    """
    known, profile = record["plan"].get("packing"), record["profile"]
    if not known or not profile["steps"]:
        return ""
    gain = Gain(**known)
    waiting = profile["step"]["waiting"]
    return packing_line(gain, Work.of(profile, shared=gain.shared, waiting=waiting))


def _timed(
    source: Source, index: int, packing: Packing, reading: tuple[MinPixels, int, bool]
) -> tuple[float, float, int]:
    """Seconds of the original, seconds when packed, and bytes when packed."""
    needed, channels, shared = reading
    clock = time.thread_time if shared else time.perf_counter
    data = prepared(read_item(source, index), packing).data
    mark = clock()
    decode(read_item(source, index), channels=channels, detail=needed)
    between = clock()
    decode(data, channels=channels, detail=needed)
    return between - mark, clock() - between, len(data)
