"""Who teaches: an average of the student, or an encoder that has learned before."""

from collections.abc import Sequence

import torch

from ilk.method import EMA, Method
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
        return Teacher(student)
    words: list[str] = []
    spec, channels = method.teacher.encoder, len(statistics[0])
    encoder = load_encoder(spec, channels=channels, tell=words.append)
    standing = PretrainedTeacher(encoder, statistics, "; ".join(words))
    standing.network.to(memory_format=layout)
    return standing
