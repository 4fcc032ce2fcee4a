"""Two gloo processes balance and centre like one with the joint batch."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from tests.kin.ranks import batch, outcome

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def ranks(tmp_path_factory):
    target = tmp_path_factory.mktemp("ranks")
    env = os.environ | {"OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "tests.kin.ranks", str(target)]
    started = [
        subprocess.Popen(
            [*command, str(r)], cwd=ROOT, env=env, stderr=subprocess.PIPE, text=True
        )
        for r in range(2)
    ]
    try:
        for process in started:
            _, errors = process.communicate(timeout=120)
            assert process.returncode == 0, errors[-3000:]
    finally:
        for process in started:
            process.kill()
    return [torch.load(target / f"rank{r}.pt", weights_only=True) for r in range(2)]


@pytest.mark.xdist_group("ranks")
@pytest.mark.parametrize("pool", [None, "queue"])
def test_two_ranks_equal_one(ranks, pool):
    codes, centre = outcome(batch(), pool)
    found = [rank[str(pool)] for rank in ranks]
    torch.testing.assert_close(torch.cat([codes for codes, _ in found]), codes)
    for _, own in found:
        torch.testing.assert_close(own, centre)
