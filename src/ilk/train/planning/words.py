"""A plan in words."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ilk.core import Progress, value
from ilk.core.counts import count, size_words
from ilk.method import EMA
from ilk.networks.tuning import in_words
from ilk.train.assemble import method_without_weights, tuning_of
from ilk.train.length import Length
from ilk.train.planning.survey import Survey
from ilk.train.settings import Settings

SHORT = 10  # epochs, below which little is learned
LEFT = 0.1  # of the first weights, likewise
FEW = 100  # images, likewise
COLOURS = 3  # channels
ROUNDING = 0.1  # of a named time, by which a run may be longer
HALVES = {"bf16-mixed": ", in bfloat16", "16-mixed": ", in half precision"}
OF_ITS_OWN = ("backbone", "image_size", "batch_size", "mix")  # the line has them


def running(
    settings: Settings, chosen: Mapping[str, Any], why: str, survey: Survey, numbers: str
) -> str:
    """What will run, and why.

    Args:
        settings: with nothing left open.
        chosen: those that a person did not name.
        why: the reason for the network.
        survey: of the images.
        numbers: the precision.
    """
    parts = [settings.method, settings.kin, settings.mix]
    what = " + ".join(part for part in parts if part)
    size = f"{settings.image_size} px"
    if 0 < survey.side < (settings.image_size or 0) and survey.width:
        size += " (images are enlarged to that)"
    line = (
        f"{what} with {settings.backbone} at {size}, "
        f"{count(settings.batch_size or 0, 'image')} a step{HALVES.get(numbers, '')}"
    )
    if "backbone" in chosen and settings.defaults == "fitted":
        line += f": {why}"
    line += _continuing(settings)
    further = [n for n in chosen if n not in OF_ITS_OWN and not n.startswith("tune")]
    if further:
        line += f"; {count(len(further), 'setting')} not as in the paper, which a dry run names"
    return line


def _continuing(settings: Settings) -> str:
    """What of given weights learns."""
    tuning = tuning_of(settings)
    if tuning is None:
        return ""
    line = f'; what learns of the backbone: {in_words(tuning)}, by tune="{tuning.parts}"'
    if tuning.head_steps:
        line += f", after {count(tuning.head_steps, 'step')} in which the heads learn alone"
    return line


@dataclass(frozen=True, kw_only=True, slots=True)
class Takes:
    """What a run takes.

    Args:
        seconds: of training and of the scores within it.
        step: seconds of a step.
        memory: the most bytes that will be held.
        reachable: bytes that may be held.
        before: seconds that the command has taken until now, where a time was named.
        after: seconds that are kept for what follows the last step, likewise.
        capped: whether a longer run was possible, but is not known to help.
    """

    seconds: float
    step: float
    memory: int
    reachable: int
    before: float = 0.0
    after: float = 0.0
    capped: bool = False


def taking(settings: Settings, length: Length, takes: Takes) -> str:
    """How long and how much memory."""
    epochs = length.steps / length.steps_per_epoch
    rate = (settings.batch_size or 0) / takes.step
    line = (
        f"about {duration(takes.seconds)} for {epochs:,.3g} epoch{'s' * (epochs != 1)} "
        f"({count(length.steps, 'step')}, {rate:,.3g} images a second"
    )
    if takes.capped:
        line += "; more are not chosen: 200 photos gained up to there, and longer was not tried"
    line += ")"
    if takes.before:
        line += (
            f", beside {duration(takes.before)} until now"
            + (f" and {duration(takes.after)} afterwards" if takes.after else "")
            + f", of {duration(60 * (settings.minutes or 0))} asked for"
        )
    return (
        f"{line}; {size_words(takes.memory)} of memory, where "
        f"{size_words(takes.reachable)} may be taken"
    )


def changing(settings: Settings, asked: Settings, survey: Survey) -> str:
    """How to change it."""
    named = asked.epochs or asked.steps or asked.minutes
    ways = ["" if named else "minutes=60 or epochs=100"]
    if asked.backbone is None:
        ways.append('backbone="NAME"')
    if asked.image_size is None:
        ways.append(f"image_size={96 if settings.image_size == 64 else 64}")
    if asked.batch_size is None:
        ways.append(f"batch_size={32 if settings.batch_size == 64 else 64}")
    if survey.grey and asked.channels == COLOURS:
        ways.append("channels=1")
    if settings.defaults == "fitted":
        ways.append(
            'method_options={"FIELD": VALUE}; defaults="paper" for the paper\'s settings'
        )
    return ", ".join(way for way in ways if way)


def warnings(
    settings: Settings, length: Length, survey: Survey, takes: Takes | None
) -> list[str]:
    """What a person should know before a run, each in a sentence.

    Args:
        settings: with nothing left open.
        length: of the run.
        survey: of the images.
        takes: what the run takes; None where it was not measured.
    """
    out: list[str] = []
    if survey.equal:
        out.append(
            f"all {survey.looked_at - survey.unreadable:,} images that were looked at have the "
            f"same pixels, so that there is nothing to learn from them"
        )
    elif survey.images < FEW:
        out.append(
            f"{count(survey.images, 'image')} can teach little; more images help, or weights "
            f'to begin with: weights="FILE"'
        )
    out += _of_labels(survey)
    if survey.unreadable > settings.max_bad_share * survey.looked_at:
        out.append(
            f"{survey.unreadable:,} of {count(survey.looked_at, 'image')} that were looked at "
            f"cannot be read, more than max_bad_share={settings.max_bad_share:g} allows: the "
            f"run will stop when it has met them"
        )
    out += _of_length(settings, length)
    if takes is not None and takes.before and settings.minutes is not None:
        over = takes.before + takes.seconds + takes.after - 60 * settings.minutes
        if over > ROUNDING * 60 * settings.minutes:
            out.append(
                f"the {duration(takes.before)} of loading and measuring leave no time for a "
                f"step, of {duration(60 * settings.minutes)} asked for; one is taken"
            )
    return out


def _of_labels(survey: Survey) -> list[str]:
    out: list[str] = []
    if survey.lonely:
        out.append(
            f"{survey.lonely:,} of {count(survey.classes, 'class', 'classes')} "
            f"{'has' if survey.lonely == 1 else 'have'} one labelled image, which can teach "
            f"little of a class; more of them help"
        )
    if survey.empty:
        out.append(
            f"{survey.empty:,} of {survey.classes:,} classes have no labelled image and "
            f"cannot be learned; class numbers count from 0"
        )
    if survey.unread:
        out.append(
            f"no labelled image of class {survey.unread!r} can be read, so that it cannot be "
            f"learned"
        )
    if survey.doubtful:
        out.append(
            f"a class is called {survey.doubtful!r}; leave the label empty if that means that "
            f"the class is not known"
        )
    return out


def _of_length(settings: Settings, length: Length) -> list[str]:
    out: list[str] = []
    if length.steps / length.steps_per_epoch < SHORT:
        out.append(f"fewer than {SHORT} epochs teach little; more help, such as epochs=100")
    left = _first_weights_left(settings, length)
    if left > LEFT:
        out.append(
            f"the network that is kept is a moving average, and {left:.0%} of it will still be "
            f"the weights that the run began with; more steps help, or a smaller momentum"
        )
    return out


def _first_weights_left(settings: Settings, length: Length) -> float:
    """The share of the first weights in what a run keeps; 0 where that is no average."""
    method = method_without_weights(settings)
    if method.encoder != "teacher" or not isinstance(method.teacher, EMA):
        return 0.0
    left = 1.0
    for step in range(length.steps):
        left *= value(
            method.teacher.momentum, Progress(step, length.steps, length.steps_per_epoch)
        )
        if left <= LEFT:
            break
    return left


def duration(seconds: float) -> str:
    """A time in the unit that fits it."""
    if seconds < 90:
        return count(max(round(seconds), 1), "second")
    if seconds < 90 * 60:
        return f"{seconds / 60:.0f} minutes"
    if seconds < 48 * 3600:
        return f"{seconds / 3600:.1f} hours"
    return f"{seconds / 86400:.1f} days"
