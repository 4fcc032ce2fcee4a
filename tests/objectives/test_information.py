"""IIC, IMSAT and DAC against loops over classes and pairs, and worked examples."""

import math

import pytest
import torch

from ilk.core import Kin, Progress
from ilk.objectives import ClassInformation, PairClassification, PairInformation

NOW = Progress(0, 1, 1.0)
SURE = 200.0  # a score beside zeros that leaves no doubt


def information(a, b, weights=None, heads=None, **options) -> float:
    a, b = torch.as_tensor(a).double(), torch.as_tensor(b).double()
    weights = torch.eye(len(a)).double() if weights is None else weights
    objective = PairInformation(heads=heads or (a.shape[1],), **options)
    return objective(a.log(), (b.log(),), Kin(weights), NOW).item()


@pytest.mark.parametrize(("marginals", "loss"), [(1.0, -0.0636407), (1.5, -0.7517795)])
def test_pair_information_of_worked_examples(marginals, loss):
    a, b = [[0.9, 0.1], [0.2, 0.8]], [[0.8, 0.2], [0.3, 0.7]]
    assert information(a, b, marginals=marginals) == pytest.approx(loss, abs=1e-7)
    assert information(b, a, marginals=marginals) == pytest.approx(loss, abs=1e-7)


def test_pair_information_of_agreement_doubt_and_collapse():
    sure = SURE * torch.eye(4).double()
    eye, objective = Kin(torch.eye(4).double()), PairInformation(heads=(4,))
    assert objective(sure, (sure,), eye, NOW).item() == pytest.approx(-math.log(4), abs=1e-9)
    none = torch.zeros(4, 4).double()
    assert objective(none, (none,), eye, NOW).item() == pytest.approx(0, abs=1e-9)
    one = sure[:1].expand(4, 4)
    assert objective(one, (one,), eye, NOW).item() == pytest.approx(0, abs=1e-9)


def test_pair_information_matches_a_loop_over_pairs_and_classes():
    torch.manual_seed(0)
    p, q = (torch.softmax(torch.randn(5, 3).double(), 1) for _ in range(2))
    weights = torch.softmax(torch.randn(5, 5).double(), 1)
    weights[2] = 0  # a row without kin takes no part
    joint = [[0.0] * 3 for _ in range(3)]
    for i in range(5):
        for j in range(5):
            for c in range(3):
                for d in range(3):
                    pair = float(weights[i, j] * p[i, c] * q[j, d])
                    joint[c][d] += pair / 2 / 4
                    joint[d][c] += pair / 2 / 4
    one = [sum(row) for row in joint]
    loss = sum(
        -joint[c][d] * (math.log(joint[c][d]) - 1.5 * math.log(one[c] * one[d]))
        for c in range(3)
        for d in range(3)
    )
    assert information(p, q, weights, marginals=1.5) == pytest.approx(loss, rel=1e-10)


def test_heads_are_averaged():
    torch.manual_seed(1)
    p, q = (torch.softmax(torch.randn(6, 2).double(), 1) for _ in range(2))
    r, s = (torch.softmax(torch.randn(6, 4).double(), 1) for _ in range(2))
    both = information(torch.cat([p, r], 1), torch.cat([q, s], 1), heads=(2, 4))
    assert both == pytest.approx((information(p, q) + information(r, s)) / 2)


def test_pair_information_without_any_kin_is_finite():
    scores = torch.randn(3, 2, requires_grad=True)
    loss = PairInformation(heads=(2,))(scores, (scores,), Kin(torch.zeros(3, 3)), NOW)
    loss.backward()
    assert torch.isfinite(loss)
    assert scores.grad is not None
    assert torch.isfinite(scores.grad).all()


def test_class_information_of_worked_examples():
    scores = torch.tensor([[0.9, 0.1], [0.1, 0.9]]).double().log()
    eye = Kin(torch.eye(2))
    plain = ClassInformation(balance=1.0)(scores, (), eye, NOW).item()
    assert plain == pytest.approx(-0.3680642, abs=1e-7)
    assert 0.1 * ClassInformation()(scores, (), eye, NOW).item() == pytest.approx(
        -0.2447506, abs=1e-7
    )
    doubt = ClassInformation(balance=1.0)(torch.zeros(3, 5), (), Kin(torch.eye(3)), NOW)
    assert doubt.item() == pytest.approx(0, abs=1e-6)


def test_class_information_matches_a_loop_and_skips_rows_without_kin():
    torch.manual_seed(0)
    scores = torch.randn(5, 3).double()
    weights = torch.eye(5)
    weights[3] = 0
    rows = [[float(x) for x in scores[i].softmax(0)] for i in (0, 1, 2, 4)]
    doubt = sum(-x * math.log(x) for row in rows for x in row) / 4
    means = [sum(column) / 4 for column in zip(*rows, strict=True)]
    loss = doubt + 4 * sum(x * math.log(x) for x in means)
    found = ClassInformation()(scores, (), Kin(weights), NOW).item()
    assert found == pytest.approx(loss, rel=1e-12)


def test_pair_classification_matches_a_loop_over_pairs():
    torch.manual_seed(0)
    a, b = torch.randn(4, 3).double(), torch.randn(5, 3).double()
    kin = torch.rand(4, 5) > 0.5
    out = torch.rand(4, 5) > 0.6
    kin = kin & ~out
    total = taken = 0.0
    for i in range(4):
        for j in range(5):
            if out[i, j]:
                continue
            p, q = (rows.softmax(0).tolist() for rows in (a[i], b[j]))
            dot = sum(x * y for x, y in zip(p, q, strict=True))
            cosine = dot / math.sqrt(sum(x * x for x in p)) / math.sqrt(sum(y * y for y in q))
            total -= math.log(cosine if kin[i, j] else 1 - cosine)
            taken += 1
    found = PairClassification()(a, (b,), Kin(kin.double(), out), NOW).item()
    assert found == pytest.approx(total / taken, rel=1e-10)


def test_pair_classification_stays_finite_at_its_ends():
    scores = (SURE * torch.eye(2)).requires_grad_()
    wrong = Kin(torch.eye(2).flip(0))
    loss = PairClassification()(scores, (scores,), wrong, NOW)
    loss.backward()
    assert torch.isfinite(loss)
    nobody = Kin(torch.zeros(2, 2), torch.ones(2, 2, dtype=torch.bool))
    assert PairClassification()(scores, (scores,), nobody, NOW).item() == 0
