"""Hard triplets, against loops."""

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.nn.functional import normalize

from ilk.core import Kin, Progress
from ilk.objectives import HardestTriplet, SemiHardTriplet

NOW = Progress(0, 1, 1.0)
OBJECTIVES = (HardestTriplet(), SemiHardTriplet(margin=0.5))


def hardest(mates: list[float], others: list[float]) -> float:
    """Batch hard with a soft margin, of Euclidean distances."""
    return math.log1p(math.exp(max(mates) - min(others)))


def semi_hard(mates: list[float], others: list[float]) -> float:
    """The next negative beyond each mate, of squared distances."""
    costs = []
    for mate in mates:
        beyond = [other for other in others if other > mate]
        chosen = min(beyond) if beyond else max(others)
        costs.append(max(0.5 + mate**2 - chosen**2, 0.0))
    return sum(costs) / len(costs)


Of = Callable[[list[float], list[float]], float]


def slow(rows: list[list[float]], owners: list[int], cost: Of) -> float:
    """The mean over rows of length one that have a mate."""
    unit = [[x / math.hypot(*row) for x in row] for row in rows]
    costs = []
    for i, row in enumerate(unit):
        mates = [math.dist(row, unit[j]) for j in range(len(rows))
                 if j != i and owners[j] == owners[i]]  # fmt: skip
        others = [math.dist(row, unit[j]) for j in range(len(rows)) if owners[j] != owners[i]]
        if mates:
            costs.append(cost(mates, others))
    return sum(costs) / len(costs)


@pytest.mark.parametrize("owners", [[0, 0, 1, 1], [0, 0, 0, 1, 2, 2], [2, 1, 2, 1, 2, 0, 1]])
@pytest.mark.parametrize(
    ("objective", "cost"), [*zip(OBJECTIVES, (hardest, semi_hard), strict=True)]
)
def test_it_is_what_loops_say(owners, objective, cost):
    torch.manual_seed(len(owners))
    rows = torch.randn(len(owners), 3).double().requires_grad_()
    same = torch.tensor(owners)[:, None] == torch.tensor(owners)
    itself = torch.eye(len(owners), dtype=torch.bool)
    mates = (same & ~itself).double()
    kin = Kin(mates / mates.sum(1, keepdim=True).clamp(min=1), itself)
    blocks = (rows[:2], rows[2:])
    found = objective(rows, blocks, kin, NOW)
    assert found.item() == pytest.approx(slow(rows.tolist(), owners, cost))
    assert torch.autograd.gradcheck(lambda r: objective(r, (r[:2], r[2:]), kin, NOW), (rows,))


def around(*degrees: float) -> tuple[Tensor, Kin]:
    """Four rows on a circle, of which the first two and the last two are mates."""
    angles = torch.tensor(degrees).deg2rad()
    rows = torch.stack([angles.cos(), angles.sin()], 1).requires_grad_()
    return rows, Kin(torch.eye(4)[[1, 0, 3, 2]], torch.eye(4) > 0)


def test_the_hardest_may_be_nearer_than_the_mate_and_the_semi_hard_is_the_next_beyond_it():
    """Of the row at 0 the mate is at 60 degrees, the others are at 30 and at 90."""
    rows, kin = around(0, 60, 30, 90)
    alone = Kin(kin.weights * torch.tensor([[1.0], [0], [0], [0]]), kin.ignored)
    squared = [2 - 2 * math.cos(math.radians(angle)) for angle in (60, 30, 90)]
    hard, semi = (objective(rows, (rows,), alone, NOW).item() for objective in OBJECTIVES)
    assert hard == pytest.approx(
        math.log1p(math.exp(squared[0] ** 0.5 - squared[1] ** 0.5)), abs=1e-6
    )
    far = SemiHardTriplet(margin=2.0)(rows, (rows,), alone, NOW).item()
    assert semi == 0
    assert far == pytest.approx(2 + squared[0] - squared[2], abs=1e-6)


def test_where_no_negative_is_beyond_the_mate_the_furthest_is_taken():
    rows, kin = around(0, 90, 30, 60)
    alone = Kin(kin.weights * torch.tensor([[1.0], [0], [0], [0]]), kin.ignored)
    loss = SemiHardTriplet(margin=0.5)(rows, (rows,), alone, NOW)
    assert loss.item() == pytest.approx(
        0.5 + 2 - (2 - 2 * math.cos(math.radians(60))), abs=1e-6
    )


@pytest.mark.parametrize(
    ("objective", "cost"), [*zip(OBJECTIVES, (math.log(2), 0.5), strict=True)]
)
def test_one_embedding_for_all_costs_a_constant_and_has_a_gradient_of_zero(objective, cost):
    rows = torch.ones(4, 3, requires_grad=True)
    mates, itself = torch.eye(4)[[1, 0, 3, 2]], torch.eye(4) > 0
    loss = objective(rows, (rows,), Kin(mates, itself), NOW)
    assert loss.item() == pytest.approx(cost)
    loss.backward()
    assert torch.equal(rows.grad, torch.zeros(4, 3))


def spread_after_learning(objective: HardestTriplet | SemiHardTriplet) -> float:
    """Of 32 images with four crops each, embedded by one layer; 0 is one embedding for all."""
    torch.manual_seed(0)
    # What all features of a random network share, what an image has of its own, and its crops.
    images = 3 * torch.randn(16) + torch.randn(32, 16)
    features = images.repeat(4, 1) + torch.randn(128, 16)
    owners, itself = torch.arange(128) % 32, torch.eye(128, dtype=torch.bool)
    kin = Kin(((owners[:, None] == owners) & ~itself) / 3, itself)
    layer = torch.eye(16, requires_grad=True)
    optimiser = torch.optim.Adam([layer], lr=1e-2)
    for _ in range(100):
        rows = features @ layer
        optimiser.zero_grad()
        objective(rows, (rows,), kin, NOW).backward()
        optimiser.step()
    return 1 - normalize(features @ layer.detach()).mean(0).square().sum().item()


def test_random_embeddings_collapse_by_the_hardest_triplet_and_not_by_the_semi_hard_one():
    assert spread_after_learning(HardestTriplet()) < 0.05
    assert spread_after_learning(SemiHardTriplet(margin=0.5)) > 0.5


def test_near_rows_differ_by_what_they_differ_in():
    """A product of two unit vectors in float32 cannot resolve 1e-5 of an angle."""
    angles = torch.tensor([0.0, 1e-5, 1.0, 1.00001])
    rows = torch.stack([angles.cos(), angles.sin()], 1)
    mates, itself = torch.eye(4)[[1, 0, 3, 2]], torch.eye(4) > 0
    loss = HardestTriplet()(rows, (rows,), Kin(mates, itself), NOW)
    far = 2 * math.sin(1 / 2)
    assert loss.item() == pytest.approx(math.log1p(math.exp(1e-5 - far)), abs=3e-6)


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_a_query_without_negatives_or_kin_costs_nothing(objective):
    rows = torch.randn(2, 3, requires_grad=True)
    everyone = Kin(torch.eye(2)[[1, 0]], torch.eye(2) > 0)
    loss = objective(rows, (rows,), everyone, NOW)
    loss.backward()
    assert loss.item() == 0
    assert torch.equal(rows.grad, torch.zeros(2, 3))
    assert objective(rows, (rows,), Kin(torch.zeros(2, 2)), NOW).item() == 0
