"""The hardest triplet, against loops."""

import math

import pytest
import torch

from ilk.core import Kin, Progress
from ilk.objectives import HardestTriplet

NOW = Progress(0, 1, 1.0)


def slow(rows: list[list[float]], owners: list[int]) -> float:
    """Batch hard with a soft margin, over rows of length one that have a mate."""
    unit = [[x / math.hypot(*row) for x in row] for row in rows]
    total, count = 0.0, 0
    for i, row in enumerate(unit):
        mates = [math.dist(row, unit[j]) for j in range(len(rows))
                 if j != i and owners[j] == owners[i]]  # fmt: skip
        others = [math.dist(row, unit[j]) for j in range(len(rows)) if owners[j] != owners[i]]
        if mates:
            total, count = total + math.log1p(math.exp(max(mates) - min(others))), count + 1
    return total / count


@pytest.mark.parametrize("owners", [[0, 0, 1, 1], [0, 0, 0, 1, 2, 2], [2, 1, 2, 1, 2, 0, 1]])
def test_it_is_what_loops_say(owners):
    torch.manual_seed(len(owners))
    rows = torch.randn(len(owners), 3).double().requires_grad_()
    same = torch.tensor(owners)[:, None] == torch.tensor(owners)
    itself = torch.eye(len(owners), dtype=torch.bool)
    mates = (same & ~itself).double()
    kin = Kin(mates / mates.sum(1, keepdim=True).clamp(min=1), itself)
    blocks = (rows[:2], rows[2:])
    found = HardestTriplet()(rows, blocks, kin, NOW)
    assert found.item() == pytest.approx(slow(rows.tolist(), owners))
    assert torch.autograd.gradcheck(
        lambda r: HardestTriplet()(r, (r[:2], r[2:]), kin, NOW), (rows,)
    )


def test_one_embedding_for_all_costs_the_logarithm_of_two_and_has_a_gradient_of_zero():
    rows = torch.ones(4, 3, requires_grad=True)
    mates, itself = torch.eye(4)[[1, 0, 3, 2]], torch.eye(4) > 0
    loss = HardestTriplet()(rows, (rows,), Kin(mates, itself), NOW)
    assert loss.item() == pytest.approx(math.log(2))
    loss.backward()
    assert torch.equal(rows.grad, torch.zeros(4, 3))


def test_near_rows_differ_by_what_they_differ_in():
    """A product of two unit vectors in float32 cannot resolve 1e-5 of an angle."""
    angles = torch.tensor([0.0, 1e-5, 1.0, 1.00001])
    rows = torch.stack([angles.cos(), angles.sin()], 1)
    mates, itself = torch.eye(4)[[1, 0, 3, 2]], torch.eye(4) > 0
    loss = HardestTriplet()(rows, (rows,), Kin(mates, itself), NOW)
    far = 2 * math.sin(1 / 2)
    assert loss.item() == pytest.approx(math.log1p(math.exp(1e-5 - far)), abs=3e-6)


def test_a_query_without_negatives_or_kin_costs_nothing():
    rows = torch.randn(2, 3)
    everyone = Kin(torch.eye(2)[[1, 0]], torch.eye(2) > 0)
    assert HardestTriplet()(rows, (rows,), everyone, NOW).item() == 0
    assert HardestTriplet()(rows, (rows,), Kin(torch.zeros(2, 2)), NOW).item() == 0
