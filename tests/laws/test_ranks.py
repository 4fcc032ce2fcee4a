"""Two gloo processes equal one process with the joint batch: losses, gradients, all state."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from tests.laws.ranks import COMPARED, WORLD, prepared, two_steps
from tests.laws.world import label

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session", params=["ddp", "fsdp"])
def spread(request, tmp_path_factory) -> list[dict[str, dict[str, torch.Tensor]]]:
    target = tmp_path_factory.mktemp("ranks")
    done = subprocess.run(
        [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node",
         str(WORLD), "-m", "tests.laws.ranks", str(target), request.param],
        cwd=ROOT, env=os.environ | {"OMP_NUM_THREADS": "1"}, capture_output=True, text=True,
        timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    return [torch.load(target / f"rank{r}.pt", weights_only=True) for r in range(WORLD)]


@pytest.mark.xdist_group("ranks")
@pytest.mark.parametrize("case", COMPARED, ids=label)
def test_two_ranks_equal_one(fabric, spread, case):
    one = two_steps(prepared(case, fabric, WORLD), 1, 0)
    for rank in spread:
        two = rank[label(case)]
        assert two.keys() == one.keys()
        for name in one:
            torch.testing.assert_close(
                two[name], one[name], rtol=1e-5, atol=1e-7, msg=lambda m, n=name: f"{n}: {m}"
            )
