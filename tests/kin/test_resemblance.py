"""Nearest, similar, same cluster: against loops and worked examples."""

import math

import hypothesis.strategies as st
import pytest
import torch
from hypothesis import given
from torch.nn import functional as F

from ilk.core import Output, Progress, Ramp
from ilk.kin import (
    Batchmates,
    CommonSource,
    FormerNeighbours,
    Itself,
    Neighbours,
    OrElse,
    SameCluster,
    SameLabel,
    Similar,
    SoftNeighbours,
)
from ilk.memory import History, Queue
from ilk.objectives import MeanShift, soft_cross_entropy_rows
from tests.kin.context import FakeLook, joined, mixed_rows, plain, stale

NOW = Progress(0, 1, 1.0)
TEACHER = Output("teacher", "b", "projector")


@given(st.integers(1, 6), st.integers(1, 7), st.integers(1, 9), st.integers(0, 99))
def test_neighbours_are_the_nearest_by_a_loop(queries, candidates, k, seed):
    torch.manual_seed(seed)
    q, c = torch.randn(queries, 4).double(), torch.randn(candidates, 4).double()
    kin = Neighbours(k=k)(plain(q), stale(c), FakeLook())
    for i in range(queries):
        cosines = [float(F.cosine_similarity(q[i], c[j], dim=0)) for j in range(candidates)]
        nearest = sorted(range(candidates), key=lambda j: -cosines[j])[:k]
        expected = [1 / len(nearest) if j in nearest else 0.0 for j in range(candidates)]
        assert kin.weights[i].tolist() == pytest.approx(expected)


def test_mean_shift_pulls_to_the_neighbours_of_the_teacher():
    """Worked example: the query is pulled to whom the teacher's row is near."""
    query = torch.tensor([[1.0, 0.0]]).double()
    teacher = plain(torch.tensor([[0.9, 0.1]]).double())
    bank = stale(torch.tensor([[0.9, 0.1], [0.8, 0.3], [0.0, 1.0], [0.7, -0.7]]).double())
    context = FakeLook({TEACHER: teacher})
    kin = Neighbours(k=2, by=TEACHER)(plain(query), bank, context)
    assert kin.weights.tolist() == [[0.5, 0.5, 0.0, 0.0]]
    loss = MeanShift()(query, (bank.vectors,), kin, NOW)
    assert loss.item() == pytest.approx(0.069787, abs=1e-6)
    allowed = joined(
        stale(bank.vectors[:1], [0]), stale(bank.vectors[1:2]), stale(bank.vectors[2:], [0, 0])
    )
    within = Neighbours(k=2, by=TEACHER, within=CommonSource())
    constrained = within(plain(query), allowed, context)
    assert constrained.weights.tolist() == [[0.5, 0.0, 0.0, 0.5]]
    loss = MeanShift()(query, (bank.vectors,), constrained, NOW)
    assert loss.item() == pytest.approx(0.299009, abs=1e-6)


def test_fewer_than_k_within_are_not_filled_up():
    candidates = joined(stale(torch.randn(1, 3), [0]), stale(torch.randn(4, 3)))
    kin = Neighbours(k=3, within=CommonSource())(
        plain(torch.randn(2, 3)), candidates, FakeLook()
    )
    assert kin.weights.tolist() == [[1.0, 0, 0, 0, 0], [0.0] * 5]


def test_candidates_may_be_judged_by_another_memory():
    other = Queue(2, 2)
    other.remember(stale(torch.tensor([[0.0, 1.0], [1.0, 0.0]])))
    candidates = stale(torch.tensor([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]))
    context = FakeLook({TEACHER: plain(torch.tensor([[1.0, 0.1]]))}, {"features": other})
    kin = Neighbours(k=1, by=TEACHER, among="features")(
        plain(torch.ones(1, 3)), candidates, context
    )
    assert kin.weights.tolist() == [[0.0, 1.0]]


def test_a_mixed_query_has_the_neighbours_of_both_its_sources():
    torch.manual_seed(0)
    share = torch.tensor([0.7, 0.6, 0.2]).double()
    query, bank = (
        mixed_rows(torch.randn(3, 4).double(), share),
        stale(torch.randn(9, 4).double()),
    )
    teacher = plain(torch.randn(3, 4).double())
    context = FakeLook({TEACHER: teacher})
    for rule in (
        Neighbours(k=2, by=TEACHER),
        SoftNeighbours(temperature=0.1, by=TEACHER),
        Neighbours(k=9, by=TEACHER, within=SoftNeighbours(temperature=0.1, by=TEACHER)),
    ):
        own = rule(teacher, bank, context).weights
        for i, lam in enumerate([0.7, 1.0, 0.2]):  # the middle one is mixed with itself
            expected = lam * own[i] + (1 - lam) * own[2 - i]
            torch.testing.assert_close(rule(query, bank, context).weights[i], expected)


def test_whom_a_deciding_row_leaves_out_is_left_out_of_its_queries():
    rule = Neighbours(k=2, by=TEACHER, within=CommonSource() - Batchmates())
    rows = plain(torch.eye(3))
    kin = rule(
        mixed_rows(torch.eye(3), torch.tensor([0.5, 1, 0.5])), rows, FakeLook({TEACHER: rows})
    )
    ends = [False, True, False]
    assert kin.ignored.tolist() == [ends, [True, False, True], ends]
    assert kin.weights.tolist() == [[0.5, 0, 0.5], [0, 1, 0], [0.5, 0, 0.5]]


def test_soft_neighbours_are_a_softmax_by_a_loop():
    torch.manual_seed(0)
    teacher, bank = torch.randn(3, 4).double(), torch.randn(7, 4).double()
    context = FakeLook({TEACHER: plain(teacher)})
    found = SoftNeighbours(temperature=0.04, by=TEACHER)(
        plain(torch.randn(3, 4)), stale(bank), context
    ).weights
    for i in range(3):
        cosines = [float(F.cosine_similarity(teacher[i], bank[j], dim=0)) for j in range(7)]
        raised = [math.exp(cosine / 0.04) for cosine in cosines]
        assert found[i].tolist() == pytest.approx([r / sum(raised) for r in raised])
    sharp = SoftNeighbours(temperature=1e-4, by=TEACHER)
    torch.testing.assert_close(
        sharp(plain(teacher), stale(bank), context).weights,
        Neighbours(k=1)(plain(teacher), stale(bank), context).weights,
    )


def test_soft_neighbours_may_be_compared_by_another_output_and_masked():
    torch.manual_seed(0)
    keys, others = plain(torch.randn(3, 4), first_slot=3), plain(torch.randn(3, 4))
    other = Output("student", "a", "projector")
    context = FakeLook({TEACHER: keys, other: others})
    apart = CommonSource() - Batchmates()
    rule = SoftNeighbours(temperature=0.1, by=TEACHER, among=(other,), mask=apart)
    torch.testing.assert_close(rule(others, others, context).weights, torch.eye(3))
    rule = SoftNeighbours(temperature=0.1, by=TEACHER, among=(other,))
    cosines = F.normalize(keys.vectors, dim=1) @ F.normalize(others.vectors, dim=1).T
    found = rule(others, plain(torch.zeros(3, 9)), context).weights
    torch.testing.assert_close(found, (cosines / 0.1).softmax(1))


def test_a_constraint_is_lifted_where_it_cannot_be_met():
    rows = plain(torch.randn(3, 2))
    context = FakeLook(labels=torch.tensor([0, -1, 0]))
    found = OrElse(rule=SameLabel(), other=CommonSource())(rows, rows, context)
    assert found.weights.tolist() == [[0.5, 0, 0.5], [0, 1, 0], [0.5, 0, 0.5]]
    strict = OrElse(rule=SameLabel() - CommonSource(), other=Itself())(rows, rows, context)
    assert strict.weights.tolist() == [[0, 0, 1], [0, 1, 0], [1, 0, 0]]
    assert strict.ignored.diagonal().tolist() == [True, False, True]


def test_former_neighbours_are_compared_one_visit_ago():
    """Item by item and visit by visit, with a plain list as the reference."""
    torch.manual_seed(0)
    history, queue, seen = History(3, 8), Queue(8, 3, keep_sources=True), {}
    for items in ([0, 1, 2, 3], [4, 5], [3, 1, 0], [5, 6]):
        rows = plain(torch.randn(len(items), 3), items)
        for item, vector in zip(items, F.normalize(rows.vectors, dim=1), strict=True):
            seen.setdefault(item, []).append(vector)
        history.remember(rows)
        queue.remember(rows)
    query = plain(torch.randn(4, 3), [2, 0, 7, 6])
    now = F.normalize(query.vectors, dim=1)
    past = [seen[2][-1], seen[0][-1], now[2], seen[6][-1]]
    slots = queue.rows().composition.sources[:, 0].tolist()
    old = []
    for place, item in enumerate(slots):
        visits = seen.get(item, [])
        old.append(visits[-2] if len(visits) > 1 else queue.vectors[place])
    kin = FormerNeighbours(k=3, past="past")(
        query, queue.rows(), FakeLook({}, {"past": history})
    )
    for i in range(4):
        order = sorted(range(8), key=lambda j: -float(past[i] @ old[j]))[:3]
        assert sorted(kin.weights[i].nonzero()[:, 0].tolist()) == sorted(order)


def test_with_one_neighbour_mean_shift_is_byol():
    torch.manual_seed(0)
    keys = plain(torch.randn(4, 3).double())
    candidates = joined(keys, stale(torch.randn(9, 3).double()))
    query = plain(torch.randn(4, 3).double(), first_slot=4)
    kin = Neighbours(k=1, by=TEACHER)(query, candidates, FakeLook({TEACHER: keys}))
    loss = MeanShift()(query.vectors, (candidates.vectors,), kin, NOW)
    expected = 2 - 2 * F.cosine_similarity(query.vectors, keys.vectors).mean()
    torch.testing.assert_close(loss, expected)


def views_of_fnc():
    first = torch.tensor([[1.0, 0.0], [0.9, 0.1], [0.0, 1.0]]).double()
    second = torch.tensor([[0.95, 0.05], [1.0, 0.2], [0.1, 1.0]]).double()
    views = [plain(F.normalize(first, dim=1)), plain(F.normalize(second, dim=1), first_slot=3)]
    outputs = {
        Output("student", name, "projector"): v for name, v in zip("ab", views, strict=True)
    }
    return views, FakeLook(outputs)


@pytest.mark.parametrize(
    ("combine", "expected"),
    [
        (lambda origin, similar: origin, 1.406905),
        (lambda origin, similar: origin - similar, 0.852838),
        (lambda origin, similar: origin | similar, 1.423025),
    ],
    ids=["none", "eliminate", "attract"],
)
def test_false_negatives_of_a_worked_example(combine, expected):
    views, context = views_of_fnc()
    candidates = joined(*views)
    similar = Similar(top=1, above=0.7, over=tuple(context.outputs))
    found = similar(views[0], candidates, context).weights
    assert found.argmax(1)[:2].tolist() == [1, 3]  # 0 to view 1 of 1, 1 to view 2 of 0
    assert found[2].sum() == 0
    assert torch.equal(
        found, similar(views[1], candidates, context).weights
    )  # one set per image
    rule = combine(CommonSource(), similar) - Itself()
    losses = []
    for view in views:
        kin = rule(view, candidates, context)
        scores = view.vectors @ candidates.vectors.T / 0.1
        losses.append(soft_cross_entropy_rows(scores, kin).mean())
    assert 2 / len(views) * sum(losses).item() == pytest.approx(expected, abs=1e-6)


def test_similar_matches_a_loop_for_both_reductions():
    torch.manual_seed(1)
    views = [plain(torch.randn(6, 2).double()) for _ in range(3)]
    outputs = {Output("teacher", str(i), "projector"): v for i, v in enumerate(views)}
    bank = stale(torch.randn(20, 2).double(), items=list(range(20)))
    for reduce, pick in (("max", max), ("mean", lambda v: sum(v) / len(v))):
        rule = Similar(top=3, above=0.5, over=tuple(outputs), reduce=reduce)
        found = rule(views[0], bank, FakeLook(outputs)).weights
        for i in range(6):
            cosines = {
                j: pick(
                    [
                        float(F.cosine_similarity(v.vectors[i], bank.vectors[j], 0))
                        for v in views
                    ]
                )
                for j in range(20)
                if j != i
            }
            high = sorted((j for j in cosines if cosines[j] > 0.5), key=lambda j: -cosines[j])[
                :3
            ]
            assert sorted(found[i].nonzero()[:, 0].tolist()) == sorted(high)


def test_a_threshold_above_one_changes_nothing():
    views, context = views_of_fnc()
    rule = CommonSource() | Similar(above=1.1)
    plainly = CommonSource()(views[0], views[1], context)
    assert torch.equal(rule(views[0], views[1], context).weights, plainly.weights)


def test_the_threshold_may_move_with_the_run():
    query, bank = plain(torch.tensor([[1.0, 0.0]])), stale(torch.tensor([[1.0, 1.0]]))
    rule = Similar(above=Ramp(0.9, 0.5, 10))
    early, late = (
        FakeLook(progress=Progress(0, 99, 1.0)),
        FakeLook(progress=Progress(50, 99, 1.0)),
    )
    assert math.sqrt(0.5) < 0.9
    assert rule(query, bank, early).weights.item() == 0
    assert rule(query, bank, late).weights.item() == 1


def test_cluster_mates_share_their_best_prototype():
    torch.manual_seed(0)
    context = FakeLook(prototypes=torch.randn(3, 2))
    queries, bank = torch.randn(5, 2), torch.randn(8, 2)
    found = SameCluster()(plain(queries), stale(bank), context).weights
    for i in range(5):
        best = (context.prototypes @ queries[i]).argmax()
        mates = [j for j in range(8) if (context.prototypes @ bank[j]).argmax() == best]
        expected = [1 / len(mates) if j in mates else 0.0 for j in range(8)]
        assert found[i].tolist() == pytest.approx(expected)


def test_clusters_may_be_chosen_by_another_output():
    context = FakeLook({TEACHER: plain(torch.tensor([[0.0, 1.0]]))}, prototypes=torch.eye(2))
    bank = stale(torch.tensor([[1.0, 0.0], [0.0, 1.0]]))
    query = plain(torch.tensor([[1.0, 0.0]]))
    assert SameCluster()(query, bank, context).weights.tolist() == [[1.0, 0.0]]
    assert SameCluster(by=TEACHER)(query, bank, context).weights.tolist() == [[0.0, 1.0]]


@pytest.mark.parametrize(
    "rule",
    [
        CommonSource(), Itself(), Neighbours(k=2), Similar(above=0.0), SameCluster(),
        CommonSource() | Neighbours(k=1), CommonSource() - Similar(above=0.0),
    ],
    ids=repr,
)  # fmt: skip
def test_no_rule_lets_a_gradient_through(rule):
    torch.manual_seed(0)
    vectors = torch.randn(4, 3, requires_grad=True)
    bank = torch.randn(6, 3, requires_grad=True)
    context = FakeLook(prototypes=torch.randn(2, 3, requires_grad=True))
    kin = rule(plain(vectors), joined(plain(vectors), stale(bank)), context)
    assert not kin.weights.requires_grad
