"""Which of several processes this one is, as torchrun or Slurm say it."""

import os
from collections.abc import Mapping
from dataclasses import dataclass

from ilk.core.errors import UserError


@dataclass(frozen=True, slots=True)
class Rank:
    """One of several processes that share work without speaking to one another.

    Args:
        number: from 0.
        world: how many there are.
        local: number among those of this machine.
    """

    number: int = 0
    world: int = 1
    local: int = 0


def rank(environment: Mapping[str, str] = os.environ) -> Rank:
    """The rank that torchrun, the tasks of ``srun`` or a Slurm array give.

    Each job of an array is a rank; where it has several tasks, each task is one.

    Example:
        >>> rank({"SLURM_ARRAY_TASK_ID": "7", "SLURM_ARRAY_TASK_MIN": "5",
        ...       "SLURM_ARRAY_TASK_COUNT": "4"})
        Rank(number=2, world=4, local=0)

    Raises:
        UserError: the environment says what cannot be.
    """

    def whole(name: str, otherwise: int) -> int:
        given = environment.get(name, str(otherwise))
        if not given.isdecimal():
            raise UserError(f"{name}: must be a whole number, got {given[:80]!r}")
        return int(given)

    if "RANK" in environment and "LOCAL_WORLD_SIZE" in environment:
        found = Rank(whole("RANK", 0), whole("WORLD_SIZE", 1), whole("LOCAL_RANK", 0))
    else:
        tasks, jobs = whole("SLURM_STEP_NUM_TASKS", 1), 1
        job = 0
        if "SLURM_ARRAY_TASK_ID" in environment:
            step = max(whole("SLURM_ARRAY_TASK_STEP", 1), 1)
            jobs = whole("SLURM_ARRAY_TASK_COUNT", 1)
            first = whole("SLURM_ARRAY_TASK_MIN", 0)
            job = (whole("SLURM_ARRAY_TASK_ID", 0) - first) // step
        task = whole("SLURM_PROCID", 0) if tasks > 1 else 0
        local = whole("SLURM_LOCALID", 0) if tasks > 1 else 0
        found = Rank(job * tasks + task, jobs * tasks, local)
    if not 0 <= found.number < found.world:
        raise UserError(
            f"processes: a rank must be below their number, got {found.number} of {found.world}"
        )
    return found
