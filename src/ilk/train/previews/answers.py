"""What a run finds in the tasks that it sets itself. Axes: B images, H W C pixels, P places."""

import math
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from jaxtyping import Float, UInt8

from ilk.core import Output
from ilk.kin import OwnColour, OwnPlace, OwnTask, colour_bins
from ilk.method import Method
from ilk.train.loop.step import KinRecord
from ilk.train.previews.step import StepPreview

SHARPNESS = 0.38  # of colours: Zhang et al., ECCV 2016, section 2.3, the annealed mean


@dataclass(frozen=True, kw_only=True, slots=True)
class TaskAnswer:
    """An image to which something was done, and what the network takes that for.

    Args:
        item: number of the image.
        pixels: what the network was shown.
        words: what was done, and what the network takes it for.
        right: answers of this image that are right.
        asked: the number of all its answers.
    """

    item: int
    pixels: UInt8[np.ndarray, "H W C"]
    words: str
    right: int
    asked: int = 1


@dataclass(frozen=True, kw_only=True, slots=True)
class Coloured:
    """An image, its brightness, and the colours that a network gave to it.

    Args:
        item: number of the image.
        original: the view whose colours were to be found.
        seen: what the network was shown.
        drawn: the brightness of the original with the colours that were found.
    """

    item: int
    original: UInt8[np.ndarray, "H W 3"]
    seen: UInt8[np.ndarray, "H W C"]
    drawn: UInt8[np.ndarray, "H W 3"]


def task_answers(
    seen: StepPreview, method: Method, *, most: int = 6
) -> tuple[tuple[TaskAnswer, ...], ...]:
    """What was done to each of some images and what a network takes it for.

    A row for each image, of all views of it that have a task, and of those whose places are to
    be found by number. Derived views may have ``answers``, what their tasks are called; numbers
    stand where they do not.

    Args:
        seen: a batch as the run's terms see it.
        method: of the run.
        most: images, at most.
    """
    names = {
        name: tuple(map(str, getattr(view, "answers", ())))
        for view in method.derived
        for name in view.names
    }
    rows: dict[int, list[TaskAnswer]] = {}
    for record in seen.kin_records:
        query = record.term.queries[0]
        if not isinstance(query, Output):
            continue
        if isinstance(record.term.kin, OwnTask):
            answers = _named(seen, record, query, names.get(query.view, ()))
        elif isinstance(record.term.kin, OwnPlace) and not _reads_pixels(method, query):
            answers = _placed(seen, record, query)
        else:
            continue
        for one in answers:
            rows.setdefault(one.item, []).append(one)
    return tuple(tuple(rows[item]) for item in list(rows)[:most])


def _reads_pixels(method: Method, query: Output) -> bool:
    """Whether a head compares images with drawings, as an adversary does: no task of theirs."""
    return query.head in method.heads and method.heads[query.head].pixels


def _named(
    seen: StepPreview, record: KinRecord, query: Output, names: tuple[str, ...]
) -> list[TaskAnswer]:
    """The task of each row of the first query, where a row is a whole image."""
    shown, count = seen.views[query.view], seen.counts[query]
    if count != len(shown) or record.queries.task is None:
        return []
    found = record.queries.vectors[:count].argmax(1).tolist()
    true = record.queries.task[:count].tolist()
    items = record.queries.composition.sources[:count, 0].tolist()
    classes = record.queries.vectors.shape[1]

    def called(number: int) -> str:
        return names[number] if number < len(names) else f"{number + 1} of {classes}"

    def words(asked: int, answer: int) -> str:
        right = asked == answer
        return f"{called(asked)}: " + ("found" if right else f"taken for {called(answer)}")

    return [
        TaskAnswer(
            item=int(items[row]), pixels=shown[row], words=words(true[row], found[row]),
            right=int(true[row] == found[row]),
        )
        for row in range(count)
        if true[row] >= 0
    ]  # fmt: skip


def _placed(seen: StepPreview, record: KinRecord, query: Output) -> list[TaskAnswer]:
    """How many places of each image are found by number, where places are what is asked for."""
    shown = seen.views[query.view]
    found = record.queries.vectors[: seen.counts[query]].argmax(1)
    places = len(found) // max(len(shown), 1)
    if not places or len(found) != places * len(shown):
        return []
    right = (found.view(-1, places) == torch.arange(places, device=found.device)).sum(1)
    items = record.queries.composition.sources[: len(found) : places, 0].tolist()
    return [
        TaskAnswer(
            item=int(item), pixels=shown[row], words=f"{number} of {places} places found",
            right=number, asked=places,
        )
        for row, (item, number) in enumerate(zip(items, right.tolist(), strict=True))
    ]  # fmt: skip


def colours_found(seen: StepPreview, *, most: int = 6) -> tuple[Coloured, ...]:
    """The colours that a network gives to images of which it sees the brightness alone.

    Args:
        seen: a batch as the run's terms see it.
        most: images, at most.
    """
    for record in seen.kin_records:
        asking = record.term.queries[0]
        if isinstance(record.term.kin, OwnColour) and isinstance(asking, Output):
            return _coloured(seen, record, record.term.kin.view, asking, most)
    return ()


def _coloured(
    seen: StepPreview, record: KinRecord, view: str, asking: Output, most: int
) -> tuple[Coloured, ...]:
    originals, inputs = seen.views[view][:most], seen.views[asking.view]
    places = seen.counts[asking] // len(inputs)
    side = math.isqrt(places)
    scores = record.queries.vectors[: len(originals) * places].float().cpu()
    found = (scores / SHARPNESS).softmax(1) @ colour_bins().float()
    maps = found.unflatten(0, (len(originals), side, side)).numpy()
    return tuple(
        Coloured(item=int(item), original=original, seen=given, drawn=_painted(original, ab))
        for item, original, given, ab in zip(
            seen.items[:most], originals, inputs[:most], maps, strict=True
        )
    )


def _painted(
    original: UInt8[np.ndarray, "H W 3"], ab: Float[np.ndarray, "h w 2"]
) -> UInt8[np.ndarray, "H W 3"]:
    """The lightness of an image with other colours."""
    lab = cv2.cvtColor(original.astype(np.float32) / 255, cv2.COLOR_RGB2LAB)
    size = (original.shape[1], original.shape[0])
    lab[..., 1:] = cv2.resize(np.ascontiguousarray(ab), size, interpolation=cv2.INTER_LINEAR)
    pixels = cv2.cvtColor(lab, cv2.COLOR_LAB2RGB)
    return (255 * pixels).round().clip(0, 255).astype(np.uint8)
