"""Rules combine like sets."""

from dataclasses import dataclass

import hypothesis.strategies as st
import pytest
import torch
from hypothesis import given, settings

from ilk import kin
from ilk.core import Kin
from ilk.kin import Evenly, LeaveOut, Restrict, Union
from ilk.kin.algebra import normalize_rows
from tests.kin.context import FakeLook, plain, stale

LOOK = FakeLook()
Q, K = 3, 5
ROWS = (plain(torch.zeros(Q, 2)), stale(torch.zeros(K, 2)), LOOK)


@dataclass(frozen=True)
class Given:
    """A rule whose verdict is known beforehand."""

    weights: tuple[tuple[float, ...], ...]
    out: tuple[tuple[bool, ...], ...] | None = None

    def __call__(self, queries, candidates, context):
        out = None if self.out is None else torch.tensor(self.out)
        weights = torch.tensor(self.weights, dtype=torch.float64)
        if out is not None:
            weights = weights.masked_fill(out, 0.0)
        return Kin(normalize_rows(weights), out)


def table(cell):
    row = st.tuples(*[cell] * K)
    return st.tuples(*[row] * Q)


sets = st.builds(Given, table(st.sampled_from([0.0, 1.0])))
soft = st.builds(
    Given, table(st.sampled_from([0.0, 0.2, 0.5, 1.0])), st.none() | table(st.booleans())
)


def same(a, b):
    left, right = a(*ROWS), b(*ROWS)
    torch.testing.assert_close(left.weights, right.weights)
    outs = [
        k.ignored if k.ignored is not None else torch.zeros(Q, K).bool() for k in (left, right)
    ]
    assert torch.equal(*outs)


def union(*rules):
    return Union(rules=rules)


@settings(max_examples=40)
@given(soft, soft, soft)
def test_unions_form_a_lattice(a, b, c):
    same(union(a, b), union(b, a))
    same(union(a, a), a)
    if a.out is b.out is c.out is None:
        same(union(union(a, b), c), union(a, union(b, c)))
        same(union(union(a, b), c), union(a, b, c))


@settings(max_examples=40)
@given(sets, sets)
def test_sets_unite_intersect_and_subtract(a, b):
    related = {rule: rule(*ROWS).weights > 0 for rule in (a, b)}
    for rule, expected in (
        (union(a, b), related[a] | related[b]),
        (Restrict(rule=a, to=b), related[a] & related[b]),
        (LeaveOut(rule=a, those=b), related[a] & ~related[b]),
    ):
        found = rule(*ROWS)
        torch.testing.assert_close(found.weights, normalize_rows(expected.double()))
    assert torch.equal(LeaveOut(rule=a, those=b)(*ROWS).ignored, related[b])


@settings(max_examples=40)
@given(soft, soft)
def test_every_verdict_is_a_pair_of_weights_and_left_out(a, b):
    both = (a(*ROWS), b(*ROWS))
    for rule in (
        union(a, b),
        Restrict(rule=a, to=b),
        LeaveOut(rule=a, those=b),
        Evenly(rule=a),
    ):
        found = rule(*ROWS)
        sums = found.weights.sum(1)
        assert (((sums - 1).abs() < 1e-12) | (sums == 0)).all()
        assert (found.weights >= 0).all()
        out = torch.zeros(Q, K).bool() if found.ignored is None else found.ignored
        assert (found.weights[out] == 0).all()
        # Whoever a left out stays out; what b left out counts where b has a say of its own.
        heard = both if isinstance(rule, Union | Restrict) else both[:1]
        for part in heard:
            assert part.ignored is None or (out | ~part.ignored).all()


def test_one_own_view_and_three_neighbours_count_a_quarter_each():
    own = Given(((1, 0, 0, 0, 0),) * Q)
    near = Given(((0, 1, 1, 1, 0),) * Q)
    assert union(own, near)(*ROWS).weights[0].tolist() == [0.25, 0.25, 0.25, 0.25, 0.0]


@pytest.mark.parametrize(
    "name", ["CommonSource", "Itself", "Batchmates", "Similar", "SameCluster"]
)
def test_operators_build_the_combinations(name):
    a, b = getattr(kin, name)(), kin.CommonSource()
    assert a | b == Union(rules=(a, b))
    assert a & b == Restrict(rule=a, to=b)
    assert a - b == LeaveOut(rule=a, those=b)
    assert (a | b) - b == LeaveOut(rule=Union(rules=(a, b)), those=b)
