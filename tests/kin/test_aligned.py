"""The counterpart of a query, found by loops and by sorting."""

import hypothesis.strategies as st
import torch
from hypothesis import given, settings

from ilk.core import UNKNOWN, AlignedRule, KinRule
from ilk.kin import CommonSource, Counterpart, Itself, LeaveOut
from tests.kin.context import FakeLook, plain, stale

LOOK = FakeLook()
sources = st.lists(st.integers(UNKNOWN, 4), min_size=1, max_size=12)


def rows(items):
    return plain(torch.zeros(len(items), 2), items)


def by_loops(mine, theirs):
    """For each query the column of its counterpart, or None."""
    found = []
    for place, source in enumerate(mine):
        number = mine[:place].count(source)
        same = [column for column, other in enumerate(theirs) if other == source]
        known = source != UNKNOWN and number < len(same)
        found.append(same[number] if known else None)
    return found


@settings(max_examples=200)
@given(sources, sources)
def test_counterparts_are_those_of_loops(mine, theirs):
    kin = Counterpart().align(rows(mine), rows(theirs), LOOK)
    found = [
        column if weight else None
        for column, weight in zip(kin.columns.tolist(), kin.weights.tolist(), strict=True)
    ]
    assert found == by_loops(mine, theirs)
    assert set(kin.weights.tolist()) <= {0.0, 1.0}
    assert (kin.columns < len(theirs)).all()


def test_where_sources_come_once_it_is_kin_by_source():
    mine, theirs = rows([3, 1, 7]), rows([1, 2, 3, 4])
    expected = CommonSource()(mine, theirs, LOOK).weights
    assert torch.equal(Counterpart()(mine, theirs, LOOK).weights, expected)


def test_within_another_rule_it_makes_a_table_as_any_rule():
    assert isinstance(Counterpart(), AlignedRule)
    assert isinstance(Counterpart(), KinRule)
    assert not isinstance(CommonSource(), AlignedRule)
    same = rows([0, 1])
    assert (Counterpart() - Itself()) == LeaveOut(rule=Counterpart(), those=Itself())
    assert (Counterpart() - Itself())(same, same, LOOK).weights.sum() == 0


def test_rows_of_nobody_have_no_counterpart():
    kin = Counterpart().align(rows([0, 1]), stale(torch.zeros(3, 2)), LOOK)
    assert kin.weights.tolist() == [0.0, 0.0]
