"""All that a run answers of some images which a person can look at."""

from dataclasses import dataclass
from pathlib import Path

from ilk.data import Source
from ilk.kin import OwnColour, OwnPlace, OwnTask
from ilk.method import Method, Patches
from ilk.train.assemble import method_without_weights
from ilk.train.previews.answers import Coloured, TaskAnswer, colours_found, task_answers
from ilk.train.previews.pairs import PlacePairs, has_places, place_pairs
from ilk.train.previews.reconstructions import Reconstruction, reconstructions
from ilk.train.previews.step import preview_step
from ilk.train.records.record import read_record, recorded_settings


@dataclass(frozen=True, kw_only=True, slots=True)
class LookAnswers:
    """What a run answers of a batch; what its method does not ask is empty.

    Args:
        drawings: pixels in the place of those that were not seen.
        colours: of images whose brightness alone was seen.
        tasks: what was done to each image, and what that is taken for.
        pairs: places of one view that are kin of places of another.
    """

    drawings: tuple[Reconstruction, ...] = ()
    colours: tuple[Coloured, ...] = ()
    tasks: tuple[tuple[TaskAnswer, ...], ...] = ()
    pairs: tuple[PlacePairs, ...] = ()


def look_answers(directory: Path, images: Source, *, most: int = 6) -> LookAnswers:
    """What a run answers of the next batch of some images.

    Args:
        directory: the directory of a run that has a checkpoint.
        images: of which a batch is taken.
        most: images of each kind of answer, at most.

    Raises:
        UserError: there is no run, or it cannot be shown these images.
    """
    method = method_without_weights(recorded_settings(read_record(directory)))
    if not (_asks(method) or has_places(method)):
        return LookAnswers()
    seen = preview_step(directory, images)
    return LookAnswers(
        drawings=reconstructions(seen, most=most),
        colours=colours_found(seen, most=most),
        tasks=task_answers(seen, method, most=most),
        pairs=place_pairs(seen, most=most),
    )


def _asks(method: Method) -> bool:
    """Whether a method predicts what a person can look at: pixels, colours or a task."""
    return any(
        isinstance(term.kin, OwnTask | OwnPlace | OwnColour)
        or isinstance(term.candidates[0], Patches)
        for term in method.terms
    )
