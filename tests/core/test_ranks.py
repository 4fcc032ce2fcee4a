import pytest

from ilk.core import UserError
from ilk.core.ranks import Rank, rank

TORCHRUN = {"RANK": "3", "WORLD_SIZE": "8", "LOCAL_RANK": "1", "LOCAL_WORLD_SIZE": "2"}
TASKS = {"SLURM_STEP_NUM_TASKS": "4", "SLURM_PROCID": "2", "SLURM_LOCALID": "0"}
ARRAY = {
    "SLURM_ARRAY_TASK_ID": "14", "SLURM_ARRAY_TASK_MIN": "10", "SLURM_ARRAY_TASK_COUNT": "3",
    "SLURM_ARRAY_TASK_STEP": "2",
}  # fmt: skip


@pytest.mark.parametrize(
    ("environment", "wanted"),
    [
        ({}, Rank(0, 1, 0)),
        (TORCHRUN, Rank(3, 8, 1)),
        ({**TORCHRUN, **ARRAY}, Rank(3, 8, 1)),
        (TASKS, Rank(2, 4, 0)),
        (ARRAY, Rank(2, 3, 0)),
        ({**ARRAY, **TASKS}, Rank(10, 12, 0)),
        # A batch script without srun is one process, whatever it asked for
        ({"SLURM_NTASKS": "4", "SLURM_PROCID": "0"}, Rank(0, 1, 0)),
    ],
)
def test_ranks_are_those_of_the_launcher(environment, wanted):
    assert rank(environment) == wanted


def test_ranks_that_cannot_be_are_refused():
    with pytest.raises(UserError, match="RANK: must be a whole number, got 'x'"):
        rank({**TORCHRUN, "RANK": "x"})
    with pytest.raises(UserError, match="got 9 of 8"):
        rank({**TORCHRUN, "RANK": "9"})
