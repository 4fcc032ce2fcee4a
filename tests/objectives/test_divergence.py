"""The other direction of the divergence, against a loop and a worked example."""

import math

import pytest
import torch
from torch.nn import functional as F

from ilk.core import Kin, Progress
from ilk.objectives import Divergence, divergence_rows

FIRST, SECOND = torch.tensor([[2.0, 0, 0]]).double(), torch.tensor([[1.0, 0, 0]]).double()


def test_worked_example_in_both_directions():
    forward = divergence_rows(FIRST, Kin(SECOND.softmax(1))).item()
    assert forward == pytest.approx(0.098886, abs=1e-6)
    back = divergence_rows(SECOND, Kin(FIRST.softmax(1))).item()
    assert back == pytest.approx(0.111983, abs=1e-6)
    assert F.cross_entropy(FIRST, torch.tensor([0])).item() == pytest.approx(0.239545, abs=1e-6)


def test_equal_relations_cost_nothing_and_move_nothing():
    scores = torch.randn(4, 5).double().requires_grad_()
    loss = divergence_rows(scores, Kin(scores.detach().softmax(1))).sum()
    loss.backward()
    assert loss.item() == pytest.approx(0, abs=1e-12)
    torch.testing.assert_close(scores.grad, torch.zeros(4, 5).double())


def test_left_out_pairs_are_as_if_they_were_not_there():
    torch.manual_seed(0)
    queries, keys = torch.randn(3, 4).double().requires_grad_(), torch.randn(6, 4).double()
    ignored = torch.zeros(3, 6, dtype=torch.bool)
    ignored[:, 4:] = True
    weights = torch.rand(3, 6).double().masked_fill(ignored, 0.0)
    kin = Kin(weights / weights.sum(1, keepdim=True), ignored)
    loss = Divergence(temperature=0.2)(queries, (keys,), kin, Progress(0, 1, 1.0))
    total = 0.0
    for i in range(3):
        cosines = [F.cosine_similarity(queries[i], keys[j], 0).item() / 0.2 for j in range(4)]
        sum_ = sum(map(math.exp, cosines))
        p = [math.exp(c) / sum_ for c in cosines]
        total += sum(p[j] * math.log(p[j] / kin.weights[i, j].item()) for j in range(4)) / 3
    assert loss.item() == pytest.approx(total)
    loss.backward()
    assert queries.grad.isfinite().all()
