"""Who teaches: an average of the student, or an encoder that has learned before."""

from collections.abc import Sequence

import torch

from ilk.method import Averaged, Method
from ilk.networks import Network, StandingTeacher, Teacher, load_encoder


def teacher_of(
    method: Method,
    student: Network,
    statistics: tuple[Sequence[float], Sequence[float]],
    layout: torch.memory_format,
) -> Teacher | StandingTeacher | None:
    """The teacher that a method asks for, or none.

    Args:
        method: says of what kind it is.
        student: whose average it may be.
        statistics: mean and deviation of each channel by which pictures are normalised.
        layout: of weights in memory; an average has the student's.

    Raises:
        UserError: there is no such encoder, or it does not read such pictures.
    """
    if method.teacher is None:
        return None
    if isinstance(method.teacher, Averaged):
        return Teacher(student)
    encoder = load_encoder(method.teacher.encoder, channels=len(statistics[0]))
    standing = StandingTeacher(encoder, statistics)
    standing.network.to(memory_format=layout)
    return standing
