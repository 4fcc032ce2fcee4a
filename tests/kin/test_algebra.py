"""Rules combine like sets."""

import inspect
from dataclasses import dataclass

import hypothesis.strategies as st
import pytest
import torch
from hypothesis import given, settings

from ilk import kin
from ilk.core import Kin, UserError
from ilk.kin import Evenly, LeaveOut, Restrict, Union, decides_kin
from ilk.kin.algebra import normalize_rows
from ilk.memory import Centre
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


RULES = {
    name: part
    for name, part in vars(kin).items()
    if inspect.isclass(part) and hasattr(part, "__sub__")
}


def test_every_rule_has_one_manner():
    assert {"CommonSource", "Assigned", "OwnClass", "Sampled", "AddedFromMemory"} <= set(RULES)
    for rule in RULES.values():
        assert rule.__dataclass_params__.frozen
        assert "__dict__" not in dir(rule)


def test_no_rule_lets_a_gradient_through():
    @decides_kin
    class Linear:
        factor: float = 2.0

        def __call__(self, queries, candidates, context):
            return Kin(self.factor * queries.vectors @ candidates.vectors.T)

    rows = plain(torch.ones(2, 3, requires_grad=True))
    assert not Linear()(rows, rows, LOOK).weights.requires_grad
    assert Linear(factor=0.5)(rows, rows, LOOK).weights.tolist() == [[1.5, 1.5], [1.5, 1.5]]
    assert (Linear() - Linear(factor=1.0)).those == Linear(factor=1.0)


def test_a_memory_of_another_kind_is_an_error_that_says_what_it_lacks():
    context = FakeLook(memories={"mean": Centre(3)})
    rows = plain(torch.zeros(2, 3))
    with pytest.raises(
        UserError, match=r"memory mean: must have .*written.*Centre has no rows"
    ):
        kin.Past(memory="mean")(rows, rows, context)


@pytest.mark.parametrize(
    "name", ["CommonSource", "Itself", "Batchmates", "Similar", "SameCluster"]
)
def test_operators_build_the_combinations(name):
    a, b = getattr(kin, name)(), kin.CommonSource()
    assert a | b == Union(rules=(a, b))
    assert a & b == Restrict(rule=a, to=b)
    assert a - b == LeaveOut(rule=a, those=b)
    assert (a | b) - b == LeaveOut(rule=Union(rules=(a, b)), those=b)
