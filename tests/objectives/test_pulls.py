"""Mean shift and margin against loops."""

import hypothesis.strategies as st
import pytest
import torch
from hypothesis import given
from torch.nn import functional as F

from ilk.core import Kin, Progress
from ilk.objectives import Margin, MeanShift

NOW = Progress(0, 1, 1.0)


def random_case(seed):
    torch.manual_seed(seed)
    queries, keys = torch.randn(4, 3).double(), torch.randn(5, 3).double()
    out = torch.rand(4, 5) < 0.2
    weights = (torch.rand(4, 5) < 0.4).double().masked_fill(out, 0)
    weights[0] = 0
    sums = weights.sum(1, keepdim=True)
    return queries, keys, Kin(weights / torch.where(sums > 0, sums, 1), out)


@given(st.integers(0, 200))
def test_mean_shift_matches_a_loop(seed):
    queries, keys, kin = random_case(seed)
    rows = []
    for i in range(4):
        if kin.weights[i].sum() == 0:
            continue
        apart = [
            (F.normalize(queries[i], dim=0) - F.normalize(key, dim=0)).norm() for key in keys
        ]
        rows.append(sum(float(kin.weights[i, j]) * float(apart[j]) ** 2 for j in range(5)))
    found = MeanShift()(queries, (keys,), kin, NOW)
    assert found.item() == pytest.approx(sum(rows) / len(rows) if rows else 0.0)


def test_one_own_key_is_byol():
    torch.manual_seed(0)
    queries, keys = torch.randn(4, 3), torch.randn(4, 3)
    found = MeanShift()(queries, (keys,), Kin(torch.eye(4)), NOW)
    expected = (2 - 2 * F.cosine_similarity(queries, keys)).mean()
    torch.testing.assert_close(found, expected)


@given(st.integers(0, 200), st.floats(-0.5, 0.9))
def test_margin_matches_a_loop(seed, margin):
    queries, keys, kin = random_case(seed)
    rows = []
    for i in range(4):
        if kin.weights[i].sum() == 0:
            continue
        total = 0.0
        for j in range(5):
            cosine = float(F.cosine_similarity(queries[i], keys[j], dim=0))
            if kin.weights[i, j] > 0:
                total += float(kin.weights[i, j]) * (1 - cosine)
            elif not kin.ignored[i, j]:
                total += max(0.0, cosine - margin)
        rows.append(total)
    found = Margin(margin=margin)(queries, (keys,), kin, NOW)
    assert found.item() == pytest.approx(sum(rows) / len(rows) if rows else 0.0)


def test_far_foreigners_cost_nothing():
    query = torch.tensor([[1.0, 0.0]], requires_grad=True)
    keys = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    loss = Margin(margin=0.4)(query, (keys,), Kin(torch.tensor([[1.0, 0.0]])), NOW)
    loss.backward()
    assert loss.item() == 0
    assert (query.grad == 0).all()
