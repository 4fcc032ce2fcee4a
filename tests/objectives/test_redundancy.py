"""Barlow Twins and VICReg against loops over dimensions."""

import math

import pytest
import torch

from ilk.core import Kin, Progress
from ilk.objectives import RedundancyReduction, VarianceCovariance

NOW = Progress(0, 1, 1.0)
SQUARE = torch.tensor([[1.0, 1], [1, -1], [-1, 1], [-1, -1]]).double()


def partnered(rows=6, dim=3):
    """Rows whose partners are shuffled, one of them without any."""
    torch.manual_seed(0)
    queries = torch.randn(rows, dim).double()
    keys = queries[[2, 0, 1, 5, 4, 3]] + 0.1 * torch.randn(rows, dim).double()
    weights = torch.eye(rows).double()[[1, 2, 0, 5, 4, 3]]
    weights[4] = 0
    kept = [0, 1, 2, 3, 5]
    partner = [1, 2, 0, 5, 3]
    return queries, keys, Kin(weights), queries[kept], keys[partner]


def columns(rows):
    return [[float(row[a]) for row in rows] for a in range(rows.shape[1])]


def moments(column):
    mean = sum(column) / len(column)
    return mean, sum((x - mean) ** 2 for x in column)


def test_redundancy_reduction_matches_a_loop_over_pairs_of_dimensions():
    queries, keys, kin, a, b = partnered()
    n, loss = len(a), 0.0
    for p, left in enumerate(columns(a)):
        for q, right in enumerate(columns(b)):
            (ml, vl), (mr, vr) = moments(left), moments(right)
            scale = math.sqrt((vl / n + 1e-5) * (vr / n + 1e-5))
            corr = (
                sum((x - ml) * (y - mr) for x, y in zip(left, right, strict=True)) / n / scale
            )
            loss += (1 - corr) ** 2 if p == q else 0.0051 * corr**2
    found = RedundancyReduction()(queries, (keys,), kin, NOW)
    assert found.item() == pytest.approx(loss, rel=1e-10)
    scaled = RedundancyReduction(scale=0.024)(queries, (keys,), kin, NOW)
    assert scaled.item() == pytest.approx(0.024 * loss)


def test_redundancy_reduction_of_worked_examples():
    """Whitened and equal is free; a doubled dimension costs 2 lambda; opposites cost 4 each."""
    objective = RedundancyReduction(redundancy_weight=3.9e-3, scale=1 / 32, eps=0.0)
    kin, doubled = Kin(torch.eye(4)), SQUARE[:, [0, 0]]
    cases = ((SQUARE, SQUARE, 0.0), (doubled, doubled, 2.4375e-4), (SQUARE, -SQUARE, 0.25))
    for a, b, expected in cases:
        assert objective(a, (b,), kin, NOW).item() == pytest.approx(expected, abs=1e-12)


def test_variance_covariance_matches_a_loop_over_dimensions():
    queries, keys, kin, a, b = partnered()
    n, dim = a.shape
    apart = sum(float((x - y) ** 2) for x, y in zip(a.flatten(), b.flatten(), strict=True)) / (
        n * dim
    )
    narrow, shared = 0.0, 0.0
    for branch in (a, b):
        cols = columns(branch)
        narrow += (
            sum(max(0, 1 - math.sqrt(moments(c)[1] / (n - 1) + 1e-4)) for c in cols) / dim / 2
        )
        for p in range(dim):
            for q in range(dim):
                mp, mq = moments(cols[p])[0], moments(cols[q])[0]
                cov = sum(
                    (x - mp) * (y - mq) for x, y in zip(cols[p], cols[q], strict=True)
                ) / (n - 1)
                shared += cov**2 / dim if p != q else 0.0
    found = VarianceCovariance()(queries, (keys,), kin, NOW)
    assert found.item() == pytest.approx(25 * apart + 25 * narrow + shared, rel=1e-10)
    for name, part in (("invariance", apart), ("variance", narrow), ("covariance", shared)):
        only = {"invariance": 0.0, "variance": 0.0, "covariance": 0.0, name: 2.0}
        term = VarianceCovariance(**only)(queries, (keys,), kin, NOW)
        assert term.item() == pytest.approx(2 * part, rel=1e-10)


def test_wide_and_uncorrelated_branches_cost_nothing():
    found = VarianceCovariance()(SQUARE, (SQUARE,), Kin(torch.eye(4)), NOW)
    assert found.item() == pytest.approx(0, abs=1e-12)
    collapsed = VarianceCovariance()(0 * SQUARE, (0 * SQUARE,), Kin(torch.eye(4)), NOW)
    assert collapsed.item() == pytest.approx(25 * (1 - 0.01))


@pytest.mark.parametrize("objective", [RedundancyReduction(), VarianceCovariance()])
def test_statistics_are_of_single_precision_and_of_all_ranks(objective):
    assert objective.joint
    assert "one partner" in objective.unmixable
    torch.manual_seed(0)
    a, b = torch.randn(8, 4), torch.randn(8, 4)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = objective(a, (b,), Kin(torch.eye(8)), NOW)
    torch.testing.assert_close(found, objective(a, (b,), Kin(torch.eye(8)), NOW))


@pytest.mark.parametrize("objective", [RedundancyReduction(), VarianceCovariance()])
def test_gradients_are_those_of_finite_differences(objective):
    torch.manual_seed(0)
    a, b = (torch.randn(5, 3).double().requires_grad_() for _ in range(2))
    assert torch.autograd.gradcheck(
        lambda x, y: objective(x, (y,), Kin(torch.eye(5)), NOW), (a, b)
    )


@pytest.mark.parametrize(
    ("objective", "related"),
    [(RedundancyReduction(), 0), (VarianceCovariance(), 0), (VarianceCovariance(), 1)],
)
def test_a_batch_with_too_few_kin_has_a_loss_of_zero_and_gradients(objective, related):
    a, b = (torch.randn(4, 3, requires_grad=True) for _ in range(2))
    weights = torch.eye(4) * (torch.arange(4) < related)
    loss = objective(a, (b,), Kin(weights), NOW)
    loss.backward()
    assert loss.item() == 0
    assert torch.equal(a.grad, torch.zeros(4, 3))
    assert torch.equal(b.grad, torch.zeros(4, 3))
