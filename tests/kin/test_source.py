"""Kin by origin against loops, and the shapes it takes in SimCLR, MoCo and SDMP."""

import hypothesis.strategies as st
import pytest
import torch
from hypothesis import given

from ilk.core import UNKNOWN, Composition, Progress, Rows, UserError
from ilk.kin import Batchmates, CommonSource, Evenly, Itself, OwnItem, Smoothed
from ilk.objectives import SoftCrossEntropy
from tests.kin.context import FakeLook, joined, mixed_rows, plain, stale

LOOK = FakeLook()
lams = st.lists(st.floats(0, 1), min_size=1, max_size=8)


def as64(values):
    return torch.tensor(values, dtype=torch.float64)


def test_plain_views_give_the_identity():
    kin = CommonSource()(plain(torch.randn(5, 3)), plain(torch.randn(5, 3)), LOOK)
    assert torch.equal(kin.weights, torch.eye(5))
    assert kin.ignored is None


@given(lams)
def test_mixed_queries_give_the_labels_of_the_paper(values):
    lam, n = as64(values), len(values)
    query = mixed_rows(torch.randn(n, 2), lam)
    source = CommonSource()(query, plain(torch.randn(n, 2)), LOOK).weights
    mix = CommonSource()(query, mixed_rows(torch.randn(n, 2), lam), LOOK).weights
    own, mirror = torch.eye(n, dtype=torch.float64), torch.eye(n, dtype=torch.float64).flip(1)
    expected = lam[:, None] * own + (1 - lam)[:, None] * mirror
    torch.testing.assert_close(source, expected, atol=1e-12, rtol=0)
    common = 1 - (lam + lam.flip(0) - 1).abs()
    common[torch.arange(n) == torch.arange(n).flip(0)] = 0  # mixed with itself: nothing to add
    expected = (own + common[:, None] * mirror) / (1 + common[:, None])
    torch.testing.assert_close(mix, expected, atol=1e-12, rtol=0)
    torch.testing.assert_close(mix, mix.T)
    for weights in (source, mix):
        torch.testing.assert_close(weights.sum(1), torch.ones(n, dtype=torch.float64))


@given(lams)
def test_shares_of_one_and_zero_are_plain_contrast(values):
    n = len(values)
    keys = plain(torch.randn(n, 2))
    whole = CommonSource()(mixed_rows(torch.randn(n, 2), torch.ones(n)), keys, LOOK)
    nothing = CommonSource()(mixed_rows(torch.randn(n, 2), torch.zeros(n)), keys, LOOK)
    assert torch.equal(whole.weights, torch.eye(n))
    expected = torch.eye(n).flip(1)
    if n % 2:
        expected[n // 2] = torch.eye(n)[n // 2]
    assert torch.equal(nothing.weights, expected)


@given(lams)
def test_reversing_the_batch_reverses_the_labels(values):
    lam, n = as64(values), len(values)
    weights = CommonSource()(mixed_rows(torch.randn(n, 2), lam), plain(torch.randn(n, 2)), LOOK)
    flipped = CommonSource()(
        mixed_rows(torch.randn(n, 2), lam.flip(0)), plain(torch.randn(n, 2)), LOOK
    )
    torch.testing.assert_close(flipped.weights, weights.weights.flip(0, 1))


def test_rows_without_kin_stay_zero():
    kin = CommonSource()(plain(torch.randn(2, 3)), stale(torch.randn(4, 3)), LOOK)
    assert torch.equal(kin.weights, torch.zeros(2, 4))


def test_repeated_items_share_the_weight():
    kin = CommonSource()(
        plain(torch.randn(1, 2), [3]), plain(torch.randn(3, 2), [3, 1, 3]), LOOK
    )
    assert kin.weights.tolist() == [[0.5, 0.0, 0.5]]


def test_simclr_leaves_itself_out_and_keeps_the_other_view():
    a, b = plain(torch.randn(3, 2)), plain(torch.randn(3, 2), first_slot=3)
    kin = (CommonSource() - Itself())(a, joined(a, b), LOOK)
    eye, none = torch.eye(3), torch.zeros(3, 3)
    assert torch.equal(kin.weights, torch.cat([none, eye], 1))
    assert torch.equal(kin.ignored, torch.cat([eye, none], 1).bool())


def test_memory_rows_are_nobodys_copy():
    kin = Itself()(stale(torch.randn(2, 2)), stale(torch.randn(2, 2)), LOOK)
    assert kin.weights.sum() == 0


def test_moco_has_one_positive_and_a_queue_of_foreigners():
    query, keys = plain(torch.randn(3, 2)), plain(torch.randn(3, 2), first_slot=3)
    # Stale copies of the queries' own images are foreign unless the memory keeps sources.
    kin = (CommonSource() - Batchmates())(query, joined(keys, stale(torch.randn(4, 2))), LOOK)
    assert torch.equal(kin.weights, torch.cat([torch.eye(3), torch.zeros(3, 4)], 1))
    others = (1 - torch.eye(3)).bool()
    assert torch.equal(kin.ignored, torch.cat([others, torch.zeros(3, 4).bool()], 1))
    known = joined(keys, stale(torch.randn(2, 2), items=[0, 9]))
    assert (CommonSource() - Batchmates())(query, known, LOOK).weights[0].tolist() == [
        0.5, 0.0, 0.0, 0.5, 0.0,
    ]  # fmt: skip


def test_the_partner_of_a_mix_is_no_batchmate():
    query = mixed_rows(torch.randn(4, 2), torch.full((4,), 0.7))
    kin = (CommonSource() - Batchmates())(query, plain(torch.randn(4, 2)), LOOK)
    torch.testing.assert_close(kin.weights[0], torch.tensor([0.7, 0.0, 0.0, 0.3]))
    assert kin.ignored[0].tolist() == [False, True, True, False]


def test_even_labels_do_not_look_at_the_share():
    lam = torch.tensor([0.7, 0.4, 0.9, 0.2])
    query = mixed_rows(torch.randn(4, 2), lam)
    half = (torch.eye(4) + torch.eye(4).flip(1)) / 2
    for keys in (plain(torch.randn(4, 2)), mixed_rows(torch.randn(4, 2), lam)):
        assert torch.equal(Evenly(rule=CommonSource())(query, keys, LOOK).weights, half)


def test_the_own_item_has_the_shares_of_a_mix():
    made = Composition(
        torch.tensor([[4, UNKNOWN], [1, 3], [2, UNKNOWN], [UNKNOWN, UNKNOWN]]),
        torch.tensor([[1.0, 0.0], [0.7, 0.3], [0.4, 0.6], [1.0, 0.0]]),
    )
    queries = Rows(torch.zeros(4, 5), made, torch.arange(4))
    kin = OwnItem(items=5)(queries, queries, FakeLook())
    expected = [[0, 0, 0, 0, 1], [0, 0.7, 0, 0.3, 0], [0, 0, 1, 0, 0], [0, 0, 0, 0, 0]]
    torch.testing.assert_close(kin.weights, torch.tensor(expected))


@pytest.mark.parametrize("share", [0.0, 0.3, 0.8, 1.0])
def test_smoothing_is_that_of_torch(share):
    scores = torch.randn(4, 7, dtype=torch.float64)
    rule = Smoothed(rule=OwnItem(items=7), share=share)
    queries = plain(scores, items=[3, 0, 6, 3])
    loss = SoftCrossEntropy(temperature=1.0)(
        scores, (), rule(queries, queries, FakeLook()), Progress(0, 1, 1.0)
    )
    theirs = torch.nn.functional.cross_entropy(
        scores, torch.tensor([3, 0, 6, 3]), label_smoothing=share
    )
    torch.testing.assert_close(loss, theirs, rtol=1e-6, atol=1e-6)


def test_smoothing_gives_nothing_to_rows_without_kin_and_to_ignored_pairs():
    rows = joined(plain(torch.zeros(2, 3)), stale(torch.zeros(1, 3)))
    rule = Smoothed(rule=CommonSource() - Itself(), share=0.5)
    kin = rule(rows, rows, FakeLook())
    assert kin.weights.eq(0).all()  # the only kin is itself, which is ignored
    again = joined(plain(torch.zeros(2, 3)), plain(torch.zeros(2, 3), first_slot=2))
    kin = rule(again, again, FakeLook())
    expected = torch.tensor([0, 1 / 6, 1 / 2 + 1 / 6, 1 / 6])
    torch.testing.assert_close(kin.weights[0], expected)
    assert kin.ignored[0].tolist() == [True, False, False, False]


def test_a_share_of_smoothing_is_one():
    with pytest.raises(UserError, match="smoothing: must be from 0 to 1, got 1.5"):
        Smoothed(rule=CommonSource(), share=1.5)
