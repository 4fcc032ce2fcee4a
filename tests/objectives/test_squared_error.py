"""Squared error, entropy and divergence of class probabilities, against loops."""

import math

import pytest
import torch

from ilk.core import Kin, Progress
from ilk.objectives import Entropy, ForwardDivergence, SquaredError

NOW = Progress(0, 1, 1.0)


def softmax(row: list[float]) -> list[float]:
    powers = [math.exp(score) for score in row]
    return [power / sum(powers) for power in powers]


def entropy(row: list[float]) -> float:
    return -sum(p * math.log(p) for p in row if p > 0)


def table(queries: int, columns: int) -> torch.Tensor:
    """Weights with a row that has no kin."""
    weights = torch.rand(queries, columns).double()
    weights[1] = 0
    return weights / weights.sum(1, keepdim=True).clamp(min=1e-9)


@pytest.mark.parametrize("by_rows", [True, False])
def test_squared_error_is_the_mean_over_classes_and_over_rows_with_kin(by_rows):
    torch.manual_seed(0)
    queries = torch.randn(4, 3).double()
    blocks = (torch.randn(2, 3).double(), torch.randn(3, 3).double()) if by_rows else ()
    weights = table(4, 5 if by_rows else 3)
    found = SquaredError()(queries, blocks, Kin(weights), NOW)
    total = 0.0
    for i in (0, 2, 3):
        target = weights[i].tolist()
        if by_rows:
            said = [softmax(row) for block in blocks for row in block.tolist()]
            target = [sum(weights[i, j] * said[j][c] for j in range(5)) for c in range(3)]
        own = softmax(queries[i].tolist())
        total += sum((p - t) ** 2 for p, t in zip(own, target, strict=True)) / 3
    assert float(found) == pytest.approx(total / 3)


def test_squared_error_of_open_candidates_moves_both_sides_alike():
    """Laine and Aila: the gradient flows through both branches."""
    torch.manual_seed(0)
    one, two = (torch.randn(4, 3).double().requires_grad_() for _ in range(2))
    kin = Kin(torch.eye(4).double())
    SquaredError()(one, (two,), kin, NOW).backward()
    first, second = one.grad, two.grad
    one.grad = two.grad = None
    SquaredError()(two, (one,), kin, NOW).backward()
    torch.testing.assert_close(one.grad, first)
    torch.testing.assert_close(two.grad, second)
    assert first.abs().sum() > 0
    assert second.abs().sum() > 0


def test_forward_divergence_is_the_cross_entropy_less_the_entropy_of_the_target():
    torch.manual_seed(0)
    queries, weights = torch.randn(4, 3).double().requires_grad_(), table(4, 3)
    found = ForwardDivergence()(queries, (), Kin(weights), NOW)
    total = 0.0
    for i in (0, 2, 3):
        own, target = softmax(queries[i].tolist()), weights[i].tolist()
        total += sum(t * math.log(t / p) for p, t in zip(own, target, strict=True))
    assert float(found.detach()) == pytest.approx(total / 3)
    same = ForwardDivergence()(queries, (), Kin(queries.detach().softmax(1)), NOW)
    assert float(same.detach()) == pytest.approx(0, abs=1e-12)


def test_forward_divergence_of_a_worked_example():
    scores = torch.tensor([[1.2, 1.4, -0.5]]).double()
    kin = Kin(torch.tensor([[0.5, 0.5, 0.0]]).double())
    expected = sum(0.5 * math.log(0.5 / p) for p in softmax(scores[0].tolist())[:2])
    assert float(ForwardDivergence()(scores, (), kin, NOW)) == pytest.approx(expected)


def test_entropy_of_a_worked_example_and_its_gradient():
    scores = torch.tensor([0.7, 0.2, 0.1]).double().log()[None].requires_grad_()
    loss = Entropy()(scores, (), Kin(torch.ones(1, 3).double() / 3), NOW)
    assert float(loss.detach()) == pytest.approx(0.8018186, abs=1e-7)
    loss.backward()
    p = [0.7, 0.2, 0.1]
    # d/ds_c of -sum p log p is -p_c (log p_c + H): both factors are differentiated.
    expected = [-q * (math.log(q) + entropy(p)) for q in p]
    assert scores.grad[0].tolist() == pytest.approx(expected)


def test_entropy_counts_rows_with_kin_alone():
    scores = torch.tensor([[0.0, 0.0], [9.0, 0.0]]).double()
    kin = Kin(torch.tensor([[1.0, 0.0], [0.0, 0.0]]).double())
    assert float(Entropy()(scores, (), kin, NOW)) == pytest.approx(math.log(2))
