"""Two gloo processes balance and centre like one with the joint batch."""

import pytest
import torch

from tests import processes
from tests.kin.ranks import batch, result


@pytest.fixture(scope="module")
def ranks(tmp_path_factory):
    target = tmp_path_factory.mktemp("ranks")
    for done in processes.ranks("tests.kin.ranks", target):
        assert done.returncode == 0, done.stderr[-3000:]
    return [torch.load(target / f"rank{r}.pt", weights_only=True) for r in range(2)]


@pytest.mark.xdist_group("ranks")
@pytest.mark.parametrize("pool", [None, "queue"])
def test_two_ranks_equal_one(ranks, pool):
    codes, centre = result(batch(), pool)
    found = [rank[str(pool)] for rank in ranks]
    torch.testing.assert_close(torch.cat([codes for codes, _ in found]), codes)
    for _, own in found:
        torch.testing.assert_close(own, centre)
