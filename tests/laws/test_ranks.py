"""Two gloo processes equal one process with the joint batch: losses, gradients, all state."""

import functools
from collections.abc import Callable

import pytest
import torch

from tests.laws.ranks import COMPARED, WORLD, prepared, two_steps
from tests.laws.world import label
from tests.processes import ranks


@pytest.fixture(scope="session", params=["ddp", "fsdp"])
def spread(request, tmp_path_factory) -> list[dict[str, dict[str, torch.Tensor]]]:
    target = tmp_path_factory.mktemp("ranks")
    for done in ranks("tests.laws.ranks", target, request.param, env=({},) * WORLD):
        assert done.returncode == 0, done.stderr[-3000:]
    return [torch.load(target / f"rank{r}.pt", weights_only=True) for r in range(WORLD)]


@pytest.fixture(scope="session")
def alone(fabric) -> Callable[..., dict[str, torch.Tensor]]:
    """What one process gets, computed once for both ways of spreading."""
    return functools.cache(lambda case: two_steps(prepared(case, fabric, WORLD), 1, 0))


@pytest.mark.xdist_group("ranks")
@pytest.mark.parametrize("case", COMPARED, ids=label)
def test_two_ranks_equal_one(alone, spread, case):
    one = alone(case)
    for rank in spread:
        two = rank[label(case)]
        assert two.keys() == one.keys()
        for name in one:
            torch.testing.assert_close(
                two[name], one[name], rtol=1e-5, atol=1e-7, msg=lambda m, n=name: f"{n}: {m}"
            )
