"""A plan in words."""

from collections.abc import Mapping
from typing import Any

from ilk.core.counts import count
from ilk.train.length import Length
from ilk.train.settings import Settings

SHORT = 10  # epochs, below which little is learned
SMALLER = ("backbone", "image_size", "batch_size")


def running(settings: Settings, chosen: Mapping[str, Any], why: str) -> str:
    """What will run, and why."""
    parts = [settings.method, settings.kin, settings.mix]
    what = " + ".join(part for part in parts if part)
    line = (
        f"{what} with {settings.backbone} at {settings.image_size} px, "
        f"{count(settings.batch_size or 0, 'image')} a step"
    )
    if "backbone" in chosen and settings.defaults == "fitted":
        line += f": {why}"
    further = [name for name in chosen if name not in SMALLER]
    if further:
        line += f"; {count(len(further), 'setting')} not as in the paper, see run.json"
    return line


def taking(
    settings: Settings, length: Length, seconds: float, step: float, memory: int, free: int
) -> str:
    """How long and how much memory."""
    epochs = length.steps / length.steps_per_epoch
    rate = (settings.batch_size or 0) / step
    return (
        f"about {duration(seconds)} for {epochs:,.3g} epochs ({count(length.steps, 'step')}, "
        f"{rate:,.3g} images a second); {memory_words(memory)} of memory, where "
        f"{memory_words(free)} may be taken"
    )


def changing(settings: Settings, length: Length, asked: Settings) -> str:
    """How to change it."""
    named = asked.epochs or asked.steps or asked.minutes
    ways = ["" if named else "minutes=60 or epochs=100"]
    if asked.backbone is None:
        ways.append('backbone="NAME"')
    if asked.image_size is None:
        ways.append("image_size=64")
    if asked.batch_size is None:
        ways.append("batch_size=64")
    if settings.defaults == "fitted":
        ways.append(
            'method_options={"FIELD": VALUE}; defaults="paper" for the paper\'s settings'
        )
    line = ", ".join(way for way in ways if way)
    if length.steps / length.steps_per_epoch < SHORT:
        line += f"; fewer than {SHORT} epochs teach little"
    return line


def duration(seconds: float) -> str:
    """A time in the unit that fits it."""
    if seconds < 90:
        return f"{max(seconds, 1):.0f} seconds"
    if seconds < 90 * 60:
        return f"{seconds / 60:.0f} minutes"
    if seconds < 48 * 3600:
        return f"{seconds / 3600:.1f} hours"
    return f"{seconds / 86400:.1f} days"


def memory_words(size: float) -> str:
    """Bytes as GiB or MiB."""
    return f"{size / 2**30:.1f} GiB" if size >= 0.95 * 2**30 else f"{size / 2**20:.0f} MiB"
