"""Soft cross-entropy: a loop, PyTorch's own, and the laws that every use relies on."""

import math

import hypothesis.strategies as st
import pytest
import torch
from hypothesis import given
from torch.nn import functional as F

from ilk import objectives
from ilk.core import Kin, Progress, Ramp
from ilk.objectives import SoftCrossEntropy, soft_cross_entropy_rows

NOW = Progress(0, 1, 1.0)


@st.composite
def cases(draw):
    """Scores, weights over pairs that stay, and left-out pairs; some rows without kin."""
    queries, candidates = draw(st.integers(1, 5)), draw(st.integers(1, 6))
    torch.manual_seed(draw(st.integers(0, 1000)))
    scores = torch.randn(queries, candidates).double() * 5
    out = torch.rand(queries, candidates) < draw(st.sampled_from([0.0, 0.3, 0.9, 1.0]))
    weights = torch.rand(queries, candidates).double().masked_fill(out, 0)
    weights[torch.rand(queries) < 0.3] = 0
    sums = weights.sum(1, keepdim=True)
    weights = weights / torch.where(sums > 0, sums, 1)
    return scores, Kin(weights, out)


def one_row(scores, weights, out):
    stay = [j for j in range(len(scores)) if not out[j]]
    if sum(weights) == 0:
        return 0.0
    top = max(scores[j] for j in stay)
    total = math.log(sum(math.exp(scores[j] - top) for j in stay)) + top
    return -sum(weights[j] * (scores[j] - total) for j in stay)


@given(cases())
def test_rows_match_a_loop(case):
    scores, kin = case
    found = soft_cross_entropy_rows(scores, kin)
    for i in range(len(scores)):
        expected = one_row(scores[i].tolist(), kin.weights[i].tolist(), kin.ignored[i].tolist())
        assert found[i].item() == pytest.approx(expected, abs=1e-10)


@given(cases())
def test_only_rows_with_kin_are_averaged_and_nothing_is_ever_not_a_number(case):
    scores, kin = case
    scores.requires_grad_()
    loss = SoftCrossEntropy(temperature=1.0)(scores, (), kin, NOW)
    loss.backward()
    related = kin.weights.sum(1) > 0
    rows = soft_cross_entropy_rows(scores, kin)
    expected = rows[related].mean() if related.any() else torch.zeros(()).double()
    torch.testing.assert_close(loss, expected)
    assert scores.grad.isfinite().all()
    assert (scores.grad[~related] == 0).all()
    assert (scores.grad[kin.ignored] == 0).all()


def test_the_gradient_is_softmax_minus_weights():
    torch.manual_seed(0)
    scores = torch.randn(4, 5).double().requires_grad_()
    weights = torch.rand(4, 5).double().softmax(1)
    SoftCrossEntropy(temperature=1.0)(scores, (), Kin(weights), NOW).backward()
    torch.testing.assert_close(scores.grad, (scores.softmax(1) - weights).detach() / 4)
    assert torch.autograd.gradcheck(lambda s: soft_cross_entropy_rows(s, Kin(weights)), scores)


@given(st.integers(1, 6), st.integers(0, 100))
def test_one_hot_weights_are_plain_cross_entropy(count, seed):
    torch.manual_seed(seed)
    scores = torch.randn(count, 7)
    labels = torch.randint(7, (count,))
    kin = Kin(F.one_hot(labels, 7).float())
    found = SoftCrossEntropy(temperature=0.3)(scores, (), kin, NOW)
    torch.testing.assert_close(found, F.cross_entropy(scores / 0.3, labels))


def test_left_out_columns_might_as_well_not_exist():
    torch.manual_seed(0)
    scores = torch.randn(3, 6)
    out = torch.tensor([False, True, False, False, True, False])
    weights = torch.rand(3, 4).softmax(1)
    whole = torch.zeros(3, 6)
    whole[:, ~out] = weights
    torch.testing.assert_close(
        soft_cross_entropy_rows(scores, Kin(whole, out.expand(3, 6))),
        soft_cross_entropy_rows(scores[:, ~out], Kin(weights)),
    )


@given(st.permutations(range(6)))
def test_the_order_of_candidates_does_not_matter(order):
    torch.manual_seed(0)
    queries, keys, weights = torch.randn(3, 4), torch.randn(6, 4), torch.rand(3, 6).softmax(1)
    out = torch.zeros(3, 6).bool()
    loss = SoftCrossEntropy(temperature=0.2)
    torch.testing.assert_close(
        loss(queries, (keys,), Kin(weights, out), NOW),
        loss(queries, (keys[order],), Kin(weights[:, order], out), NOW),
    )


@given(st.integers(1, 5))
def test_blocks_of_candidates_give_the_loss_of_one(split):
    torch.manual_seed(0)
    queries, keys, weights = torch.randn(3, 4), torch.randn(6, 4), torch.rand(3, 6).softmax(1)
    loss = SoftCrossEntropy(temperature=0.2)
    whole = loss(queries, (keys,), Kin(weights), NOW)
    parts = loss(queries, (keys[:split], keys[split:]), Kin(weights), NOW)
    own = loss(queries, (keys[:split], keys[split:].expand(3, -1, -1)), Kin(weights), NOW)
    torch.testing.assert_close(whole, parts)
    torch.testing.assert_close(whole, own)


def test_the_sum_stands_outside_the_logarithm():
    """The two forms differ: 0.707606 outside, 0.617878 inside."""
    kin = Kin(torch.tensor([[0.7, 0.3, 0.0]]))
    found = soft_cross_entropy_rows(torch.tensor([[2.0, 1.0, 0.0]]), kin)
    assert found.item() == pytest.approx(0.707606, abs=1e-6)


def test_elimination_and_attraction_of_a_false_negative():
    """Positive 0.9, negatives 0.8, 0.1, -0.2 at temperature 0.2 (IFND's three readings)."""
    scores = torch.tensor([[0.9, 0.8, 0.1, -0.2]]).double()
    loss = SoftCrossEntropy(temperature=0.2)
    own = torch.tensor([[1.0, 0, 0, 0]]).double()
    out = torch.tensor([[False, True, False, False]])
    both = torch.tensor([[0.5, 0.5, 0, 0]]).double()
    found = [loss(scores, (), kin, NOW).item() for kin in (Kin(own), Kin(own, out), Kin(both))]
    assert found == pytest.approx([0.487925, 0.022155, 0.737925], abs=1e-6)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_stays_finite_and_is_summed_in_single(dtype):
    queries = torch.tensor([[1.0, 0.0], [0.0, 1.0]], dtype=dtype)
    keys = torch.cat([queries, -queries])
    kin = Kin(torch.eye(2, 4)[[1, 0]])  # the worst case: the query's own key is foreign
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = SoftCrossEntropy(temperature=0.05)(queries, (keys,), kin, NOW)
    assert found.dtype == torch.float32
    assert found.item() == pytest.approx(math.log(math.exp(20) + 2 + math.exp(-20)), rel=1e-6)
    scores = torch.tensor([[60000.0, -60000.0]], dtype=torch.float16)
    assert soft_cross_entropy_rows(scores, Kin(torch.tensor([[0.5, 0.5]]))).isfinite().all()


def test_the_temperature_may_move_with_the_run():
    scores, kin = torch.tensor([[1.0, 0.0]]), Kin(torch.tensor([[1.0, 0.0]]))
    loss = SoftCrossEntropy(temperature=Ramp(1.0, 0.5, 1))
    early, late = (
        loss(scores, (), kin, Progress(0, 2, 1.0)),
        loss(scores, (), kin, Progress(1, 2, 1.0)),
    )
    assert early.item() == pytest.approx(math.log(1 + math.exp(-1)))
    assert late.item() == pytest.approx(math.log(1 + math.exp(-2)))


def test_dot_products_on_request():
    queries, keys = torch.tensor([[2.0, 0.0]]), torch.tensor([[3.0, 0.0], [0.0, 1.0]])
    kin = Kin(torch.tensor([[1.0, 0.0]]))
    found = SoftCrossEntropy(temperature=2.0, cosine=False)(queries, (keys,), kin, NOW)
    assert found.item() == pytest.approx(math.log(1 + math.exp(-3)))


def test_there_is_no_log_of_a_mixture():
    assert not [name for name in dir(objectives) if "mixture" in name]
