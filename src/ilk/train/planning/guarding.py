"""What the guard of a run from given weights costs, and how often it looks."""

import math
from dataclasses import replace

from ilk.train.guard.scores import images_embedded
from ilk.train.length import SCORES, Length
from ilk.train.planning.survey import Survey
from ilk.train.planning.timing import Timing
from ilk.train.settings import Settings


def look_seconds(settings: Settings, survey: Survey, embedding: float) -> float:
    """Seconds of one score of the guard; 0 where no weights are given.

    Args:
        settings: settings of the run.
        survey: a survey of its images.
        embedding: seconds of an image when vectors are made.
    """
    if settings.weights is None:
        return 0.0
    labelled = survey.labelled or (survey.images if survey.classes >= 2 else 0)
    return embedding * images_embedded(survey.images, labelled)


def spaced(settings: Settings, length: Length, timing: Timing) -> tuple[Settings, int]:
    """Settings with the epochs between two looks, and how many there are, the start's too.

    A twentieth of the run lies between two looks, and more where they would take more than a
    tenth of its time.

    Args:
        settings: settings of the run.
        length: the length of the run.
        timing: times of its parts.
    """
    if not timing.guard:
        return settings, 0
    if settings.guard == "off":
        return settings, 2
    per_epoch = length.steps_per_epoch
    if settings.guard_every is not None:
        return settings, math.ceil(length.steps / (settings.guard_every * per_epoch)) + 1
    looks = timing.looks(timing.step * length.steps)
    if looks < SCORES:
        settings = replace(settings, guard_every=length.steps / looks / per_epoch)
    return settings, looks + 1


def within(settings: Settings, timing: Timing, seconds: float) -> tuple[int, float | None]:
    """Steps that fit into a time with all scores, and epochs between online ones.

    Args:
        settings: settings of the run.
        timing: times of its parts.
        seconds: that training and its scores may take.
    """
    seconds -= timing.guard * (timing.looks(seconds) + 1)
    if settings.guard_scores:
        return timing.fitting(seconds, 0)[0], settings.knn_every
    return timing.fitting(seconds, settings.knn_every)


def seconds_of(settings: Settings, length: Length, timing: Timing) -> float:
    """What the steps of a run take, online scores and those of the guard included.

    Args:
        settings: settings of the run.
        length: the length of the run.
        timing: times of its parts.
    """
    online = timing.score > 0 and not settings.guard_scores
    scores = length.scores(settings.knn_every) if online else 0
    looks = spaced(settings, length, timing)[1]
    return timing.seconds(length.steps, scores) + timing.guard * looks
