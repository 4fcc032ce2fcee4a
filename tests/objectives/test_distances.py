"""Distances that grow linearly, and the distance from a normal distribution, by loops."""

import pytest
import torch

from ilk.core import AlignedKin, Kin, Progress
from ilk.objectives import SmoothDistance, StandardNormal

NOW = Progress(0, 1, 1.0)


@pytest.mark.parametrize("beta", [0.0, 1.0, 2.5])
def test_smooth_distances_are_those_of_loops(beta):
    queries, candidates = 2 * torch.randn(5, 4), (torch.randn(3, 4), torch.randn(2, 4))
    weights = torch.rand(5, 5) * (torch.rand(5, 5) < 0.6)
    weights[2] = 0
    both = torch.cat(candidates)

    def apart(a, b):
        total = 0.0
        for x in (a - b).abs().tolist():
            total += x - beta / 2 if x >= beta else x**2 / (2 * beta)
        return total / 4

    rows = [sum(float(weights[q, k]) * apart(queries[q], both[k]) for k in range(5))
            for q in range(5) if weights[q].sum() > 0]  # fmt: skip
    expected = pytest.approx(sum(rows) / len(rows), rel=1e-5)
    assert float(SmoothDistance(beta=beta)(queries, candidates, Kin(weights), NOW)) == expected
    kin = AlignedKin(torch.tensor([4, 0, 1, 1, 2]), torch.tensor([1.0, 0.5, 0, 1, 1]))
    aligned = SmoothDistance(beta=beta).aligned(queries, candidates, kin, NOW)
    table = SmoothDistance(beta=beta)(queries, candidates, kin.as_table(5), NOW)
    torch.testing.assert_close(aligned, table)


def test_the_distance_from_a_normal_is_that_of_torch():
    rows = torch.randn(4, 6)
    own = torch.distributions.Normal(rows[:, :3], (rows[:, 3:] / 2).exp())
    standard = torch.distributions.Normal(torch.zeros(3), torch.ones(3))
    expected = torch.distributions.kl_divergence(own, standard).sum(dim=1)
    found = StandardNormal()(rows, (rows,), Kin(torch.eye(4)), NOW)
    torch.testing.assert_close(found, expected.mean())
    some = StandardNormal()(
        rows, (rows,), Kin(torch.eye(4) * torch.tensor([1, 0, 0, 1.0])), NOW
    )
    torch.testing.assert_close(some, expected[[0, 3]].mean())
