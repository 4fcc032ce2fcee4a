"""Who teaches: an average of the student, an encoder that has learned before, or the start."""

from collections.abc import Sequence

import torch

from ilk.method import EMA, Method, passes
from ilk.networks import Network, PretrainedTeacher, Teacher, load_encoder


def teacher_of(
    method: Method,
    student: Network,
    statistics: tuple[Sequence[float], Sequence[float]],
    layout: torch.memory_format,
) -> Teacher | PretrainedTeacher | None:
    """The teacher that a method asks for, or none.

    Args:
        method: says of what kind it is.
        student: whose average it may be.
        statistics: mean and deviation of each channel by which images are normalised.
        layout: of weights in memory; an average has the student's.

    Raises:
        UserError: there is no such encoder, or it does not read such images.
    """
    if method.teacher is None:
        return None
    if isinstance(method.teacher, EMA):
        return Teacher(student, buffers=method.teacher.buffers)
    words: list[str] = []
    spec, channels = method.teacher.encoder, len(statistics[0])
    encoder = load_encoder(spec, channels=channels, tell=words.append)
    standing = PretrainedTeacher(encoder, statistics, "; ".join(words))
    standing.network.to(memory_format=layout)
    return standing


def start_of(method: Method, student: Network) -> Network | None:
    """A frozen copy of the student as it is now, where a method compares with one; else None.

    It has no more heads than are compared. Nothing of it changes, so that no checkpoint needs
    it: a run that goes on builds its student from the same start.

    Args:
        method: whose terms may refer to the start.
        student: before its first step.
    """
    asked = {
        head for entry in passes(method) if entry.network == "start" for head in entry.heads
    }
    if not asked:
        return None
    heads = {name: head for name, head in student.heads.items() if name in asked}
    return Teacher(Network(student.backbone, heads)).network


def as_trained(start: Network, student: Network) -> None:
    """Let every module of the start be in train mode where the student's is.

    So both normalise by the same statistics: of the batch where batch norms learn, and stored
    ones where they are frozen. Before the first step both then show the same.

    Args:
        start: a copy of the student, perhaps with fewer heads.
        student: as it is trained in this step.
    """
    pairs = zip(start.backbone.modules(), student.backbone.modules(), strict=True)
    for ours, theirs in pairs:
        ours.training = theirs.training
