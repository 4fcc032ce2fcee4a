"""A row with kin counts as much on a rank that has few of them as on one that has many."""

import pytest
import torch
from lightning_fabric import Fabric

from tests.processes import ranks
from tests.train.kin_ranks import stepped


@pytest.fixture(scope="module")
def found(tmp_path_factory) -> list[dict[str, dict[str, torch.Tensor]]]:
    target = tmp_path_factory.mktemp("ranks")
    for done in ranks("tests.train.kin_ranks", target):
        assert done.returncode == 0, done.stderr[-3000:]
    return [torch.load(target / f"rank{rank}.pt", weights_only=True) for rank in range(2)]


@pytest.mark.xdist_group("ranks")
@pytest.mark.parametrize("rows", ["with kin", "all"])
def test_the_mean_is_over_the_rows_of_all_ranks(rows, found):
    one = stepped(Fabric(accelerator="cpu", devices=1), rows, 1, 0)
    for rank in found:
        assert rank[rows].keys() == one.keys()
        for name, number in one.items():
            torch.testing.assert_close(rank[rows][name], number, rtol=1e-6, atol=1e-9)
