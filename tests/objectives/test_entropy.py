"""Minus the entropy of the mean answer, against loops."""

import math

import pytest
import torch

from ilk.core import Kin, Progress
from ilk.objectives import MeanEntropy

NOW = Progress(0, 1, 1.0)


def test_it_is_what_loops_say():
    torch.manual_seed(0)
    rows = torch.randn(5, 3).double().requires_grad_()
    kin = Kin(torch.zeros(5, 2).double())  # they do not matter
    shares = [0.0] * 3
    for row in rows.tolist():
        total = sum(math.exp(score / 0.5) for score in row)
        shares = [a + math.exp(b / 0.5) / total / 5 for a, b in zip(shares, row, strict=True)]
    objective = MeanEntropy(temperature=0.5)
    found = objective(rows, (), kin, NOW)
    assert found.item() == pytest.approx(sum(p * math.log(p) for p in shares))
    assert torch.autograd.gradcheck(lambda r: objective(r, (), kin, NOW), (rows,))


def test_it_is_least_where_all_classes_are_answered_equally_often():
    eye = Kin(torch.ones(4, 1))
    objective = MeanEntropy(temperature=0.1)
    assert objective(100 * torch.eye(4), (), eye, NOW).item() == pytest.approx(-math.log(4))
    assert objective(torch.zeros(4, 4), (), eye, NOW).item() == pytest.approx(-math.log(4))
    same = 100 * torch.eye(4)[[0, 0, 0, 0]]
    assert objective(same, (), eye, NOW).item() == pytest.approx(0)


def test_answers_of_zero_have_a_gradient():
    rows = (1e4 * torch.eye(3)[:2]).requires_grad_()
    MeanEntropy(temperature=1.0)(rows, (), Kin(torch.ones(2, 1)), NOW).backward()
    assert torch.isfinite(rows.grad).all()
