"""Teacher's classes and balanced codes, against loops and worked examples."""

from dataclasses import replace

import hypothesis.strategies as st
import pytest
import torch
from hypothesis import given

from ilk.core import Output, Progress, Ramp
from ilk.kin import (
    Assigned,
    CommonSource,
    Counterpart,
    Evenly,
    Sinkhorn,
    sinkhorn,
    with_even_weights,
)
from ilk.memory import Centre, Queue
from ilk.objectives import soft_cross_entropy_rows
from tests.kin.context import FakeLook, mixed_rows, plain, stale

TEACHER = Output("teacher", "g1", "prototypes")
WORKED = torch.tensor([[0.10, 0], [0.09, 0], [0.02, 0], [0.01, 0]]).double()


def test_a_plain_query_gets_its_own_teacher_centred_and_sharpened():
    torch.manual_seed(0)
    scores, centre = torch.randn(4, 5).double(), Centre(5).double()
    centre.value.copy_(torch.randn(5))
    context = FakeLook({TEACHER: plain(scores)}, {"centre": centre})
    kin = Assigned(by=TEACHER, temperature=0.04, centre="centre")(
        plain(torch.zeros(4, 5)), plain(torch.zeros(4, 5)), context
    )
    for i in range(4):
        raised = [float(torch.exp((scores[i, k] - centre.value[k]) / 0.04)) for k in range(5)]
        assert kin.weights[i].tolist() == pytest.approx([r / sum(raised) for r in raised])


@given(st.lists(st.floats(0, 1), min_size=1, max_size=6))
def test_a_mixed_query_gets_the_mixture_of_its_teachers(values):
    lam, n = torch.tensor(values, dtype=torch.float64), len(values)
    torch.manual_seed(n)
    scores = torch.randn(n, 3).double()
    context = FakeLook({TEACHER: plain(scores)})
    query = mixed_rows(torch.zeros(n, 3), lam)
    kin = Assigned(by=TEACHER, temperature=0.1)(query, query, context)
    codes = (scores / 0.1).softmax(1)
    expected = lam[:, None] * codes + (1 - lam)[:, None] * codes.flip(0)
    torch.testing.assert_close(kin.weights, expected)
    even = Assigned(by=TEACHER, temperature=0.1, shares=Evenly(rule=CommonSource()))
    inside = (lam > 0) & (lam < 1)
    torch.testing.assert_close(
        even(query, query, context).weights[inside], ((codes + codes.flip(0)) / 2)[inside]
    )


def test_any_rule_can_be_evened():
    context = FakeLook({TEACHER: plain(WORKED)})
    query = mixed_rows(WORKED, torch.tensor([0.7, 0.4, 0.9, 0.2]).double())
    for rule in (Assigned(by=TEACHER, temperature=0.1), Sinkhorn(by=TEACHER)):
        codes = rule(plain(WORKED), plain(WORKED), context).weights
        found = with_even_weights(rule)(query, query, context).weights
        torch.testing.assert_close(found, (codes + codes.flip(0)) / 2)
    assert with_even_weights(CommonSource()) == Evenly(rule=CommonSource())


def test_a_query_of_unknown_items_has_no_teacher():
    context = FakeLook({TEACHER: plain(torch.randn(2, 3))})
    query = plain(torch.zeros(3, 3), items=[0, 7, 1])
    sums = Assigned(by=TEACHER, temperature=0.1)(query, query, context).weights.sum(1)
    torch.testing.assert_close(sums, torch.tensor([1.0, 0.0, 1.0]))


def test_the_temperature_may_move_with_the_run():
    scores = torch.tensor([[0.3, 0.0]])
    rule = Assigned(by=TEACHER, temperature=Ramp(0.1, 1.0, 10))
    for step, temperature in ((0, 0.1), (10, 1.0)):
        context = FakeLook({TEACHER: plain(scores)}, progress=Progress(step, 20, 1.0))
        kin = rule(plain(scores), plain(scores), context)
        torch.testing.assert_close(kin.weights, (scores / temperature).softmax(1))


def by_the_book(scores, epsilon, iterations):
    """Alternating sums, entry by entry, in Python floats."""
    n, k = scores.shape
    q = [[float(torch.exp(scores[i, j] / epsilon)) for j in range(k)] for i in range(n)]
    for _ in range(iterations):
        for j in range(k):
            total = sum(q[i][j] for i in range(n))
            for i in range(n):
                q[i][j] /= total * k
        for i in range(n):
            total = sum(q[i])
            q[i] = [entry / (total * n) for entry in q[i]]
    return torch.tensor(q, dtype=torch.float64) * n


@given(st.integers(1, 6), st.integers(1, 5), st.integers(1, 4), st.integers(0, 50))
def test_codes_match_alternating_sums(n, k, iterations, seed):
    torch.manual_seed(seed)
    scores = torch.randn(n, k).double() * 0.3
    found = sinkhorn(scores, torch.ones(n).double(), epsilon=0.05, iterations=iterations)
    torch.testing.assert_close(found, by_the_book(scores, 0.05, iterations))


def test_balancing_moves_the_weaker_rows_to_the_other_prototype():
    found = sinkhorn(WORKED, torch.ones(4).double(), epsilon=0.05, iterations=3)
    expected = [
        [0.709669, 0.290331],
        [0.666807, 0.333193],
        [0.330434, 0.669566],
        [0.287773, 0.712227],
    ]
    torch.testing.assert_close(found, torch.tensor(expected).double(), atol=1e-6, rtol=0)
    assert found.sum(0).tolist() == pytest.approx([1.994683, 2.005317], abs=1e-6)
    long = sinkhorn(WORKED, torch.ones(4).double(), epsilon=0.05, iterations=100)
    assert long.sum(0).tolist() == pytest.approx([2, 2], abs=1e-9)
    context = FakeLook({TEACHER: plain(WORKED)})
    kin = Sinkhorn(by=TEACHER)(plain(WORKED), plain(WORKED), context)
    scores = torch.tensor([[0.1, 0.0]]).double().expand(4, 2) / 0.1
    assert soft_cross_entropy_rows(scores, kin).mean().item() == pytest.approx(
        0.814591, abs=1e-6
    )


def test_a_head_of_the_student_scores_what_another_network_projects():
    prototypes = torch.tensor([[2.0, 1.0], [0.0, 3.0]]).double()
    context = FakeLook({TEACHER: plain(WORKED)}, prototypes=prototypes)
    found = Sinkhorn(by=TEACHER, head="prototypes")(plain(WORKED), plain(WORKED), context)
    scores = WORKED @ prototypes.T
    expected = sinkhorn(scores, torch.ones(4).double(), epsilon=0.05, iterations=3)
    torch.testing.assert_close(found.weights, expected)


def test_even_scores_give_even_codes_and_huge_ones_no_overflow():
    even = sinkhorn(torch.zeros(4, 3), torch.ones(4), epsilon=0.05, iterations=3)
    torch.testing.assert_close(even, torch.full((4, 3), 1 / 3))
    huge = sinkhorn(
        torch.tensor([[1e3, -1e3], [-1e3, 1e3]]), torch.ones(2), epsilon=0.05, iterations=3
    )
    torch.testing.assert_close(huge, torch.eye(2))
    half = sinkhorn(
        torch.tensor([[1.0, -1.0]]).half(), torch.ones(1), epsilon=0.05, iterations=1
    )
    assert half.dtype == torch.float32
    assert half.isfinite().all()
    with pytest.raises(ValueError, match="at least 1, got 0"):
        sinkhorn(WORKED, torch.ones(4), epsilon=0.05, iterations=0)


def test_mixed_queries_share_the_codes_of_their_sources():
    lam = torch.tensor([0.7, 0.4, 0.9, 0.2]).double()
    context = FakeLook({TEACHER: plain(WORKED)})
    query = mixed_rows(WORKED, lam)
    codes = sinkhorn(WORKED, torch.ones(4).double(), epsilon=0.05, iterations=3)
    expected = lam[:, None] * codes + (1 - lam)[:, None] * codes.flip(0)
    torch.testing.assert_close(Sinkhorn(by=TEACHER)(query, query, context).weights, expected)


def test_a_pool_balances_along_once_all_of_it_is_written():
    torch.manual_seed(0)
    prototypes = torch.randn(3, 2)
    queue = Queue(6, 2)
    batch = torch.randn(4, 2)
    scores = batch @ prototypes.T
    early, late = Progress(0, 100, 10.0), Progress(60, 100, 10.0)
    rule = Sinkhorn(by=TEACHER, epsilon=1.0, pool="queue", pool_from=50)

    def codes(progress):
        context = FakeLook({TEACHER: plain(scores)}, {"queue": queue}, prototypes, progress)
        return rule(plain(scores), plain(scores), context).weights

    alone = sinkhorn(scores, torch.ones(4), epsilon=1.0, iterations=3)
    torch.testing.assert_close(codes(late), alone)  # nothing has been written yet
    queue.remember(stale(torch.randn(5, 2)))
    torch.testing.assert_close(codes(late), alone)  # one entry is missing
    queue.remember(stale(torch.randn(3, 2)))
    torch.testing.assert_close(codes(early), alone)
    pooled = torch.cat([scores, queue.vectors @ prototypes.T])
    together = sinkhorn(pooled, torch.ones(10), epsilon=1.0, iterations=3)[:4]
    torch.testing.assert_close(codes(late), together)
    assert not torch.allclose(together, alone)


@pytest.mark.parametrize("rule", [Assigned(by=TEACHER, temperature=0.1), Sinkhorn(by=TEACHER)])
def test_no_gradient_reaches_a_target(rule):
    scores = torch.randn(3, 4, requires_grad=True)
    kin = rule(plain(scores), plain(scores), FakeLook({TEACHER: plain(scores)}))
    assert not kin.weights.requires_grad


def test_an_aligned_share_gives_each_query_the_code_of_its_counterpart():
    torch.manual_seed(0)
    items = [3, 3, 1, 1, 1, 7]  # places of three images
    scores = torch.randn(6, 4).double()
    context = FakeLook({TEACHER: plain(scores, items)})
    query = plain(torch.zeros(6, 4), [1, 3, 1, 3, 7, 2])
    for rule in (Assigned(by=TEACHER, temperature=0.1), Sinkhorn(by=TEACHER, epsilon=0.1)):
        codes = rule(plain(scores, range(6)), query, FakeLook({TEACHER: plain(scores)})).weights
        found = replace(rule, shares=Counterpart())(query, query, context).weights
        torch.testing.assert_close(found[:5], codes[[2, 0, 3, 1, 5]])
        assert (found[5] == 0).all()  # an image that the teacher has not seen


def test_scores_beside_are_balanced_along_and_no_kin():
    torch.manual_seed(0)
    other, scores = Output("teacher", "g2", "prototypes"), torch.randn(8, 3).double()
    one, two = plain(scores[:4]), plain(scores[4:])
    rule = Sinkhorn(by=TEACHER, beside=(other,), epsilon=Ramp(0.04, 0.07, 30))
    found = rule(one, one, FakeLook({TEACHER: one, other: two}))
    whole = sinkhorn(scores, torch.ones(8).double(), epsilon=0.04, iterations=3)
    torch.testing.assert_close(found.weights, whole[:4])


def test_no_place_at_all_is_no_kin():
    none = plain(torch.zeros(0, 3), torch.zeros(0, dtype=torch.long))
    for rule in (Assigned(by=TEACHER, temperature=0.1), Sinkhorn(by=TEACHER)):
        aligned = replace(rule, shares=Counterpart())
        assert aligned(none, none, FakeLook({TEACHER: none})).weights.shape == (0, 3)
