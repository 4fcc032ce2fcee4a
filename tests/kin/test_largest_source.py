"""A mix held for its largest source alone."""

import numpy as np
import pytest
import torch

from ilk.core import Composition, Output
from ilk.kin import Assigned, CommonSource, LargestSource, Neighbours, SoftNeighbours
from ilk.views import Mixing
from tests.kin.context import FakeLook, mixed_rows, plain

TEACHER = Output("teacher", "b", "projector")
SHARES = [0.9, 0.6, 0.3, 0.8]  # of items 0 to 3, each mixed with its mirror
LARGEST = [0, 1, 1, 3]


@pytest.mark.parametrize(
    "rule",
    [
        CommonSource(),
        Neighbours(k=2, by=TEACHER),
        SoftNeighbours(temperature=0.2, by=TEACHER),
        Assigned(by=TEACHER, temperature=0.5),
    ],
    ids=lambda rule: type(rule).__name__,
)
def test_kin_are_those_of_the_largest_source(rule):
    torch.manual_seed(0)
    keys = plain(torch.randn(4, 5).double())
    context = FakeLook(outputs={TEACHER: keys})
    queries = mixed_rows(torch.randn(4, 5).double(), SHARES)
    found = LargestSource(rule=rule)(queries, keys, context).weights
    whole = plain(queries.vectors, LARGEST)
    torch.testing.assert_close(found, rule(whole, keys, context).weights)
    assert not torch.allclose(found, rule(queries, keys, context).weights)


def test_a_plain_query_stays_as_it_is():
    rows = plain(torch.randn(3, 2))
    found = LargestSource(rule=CommonSource())(rows, rows, FakeLook())
    assert torch.equal(found.weights, torch.eye(3))
    empty = Composition(torch.tensor([[2, -1]]), torch.tensor([[1.0, 0.0]]))
    row = plain(torch.randn(1, 2))
    shown = type(row)(row.vectors, empty, row.slots)
    assert LargestSource(rule=CommonSource())(shown, rows, FakeLook()).weights.tolist() == [
        [0, 0, 1]
    ]


def test_shares_are_uniform_above_the_lowest():
    mixing = Mixing(strategies=("mixup",), lowest=0.9, fold=True)
    share = mixing.draw(np.arange(4000), epoch=0, step=0, seed=0).share
    assert share.min() >= 0.9
    assert share.max() <= 1
    assert np.quantile(share, [0.25, 0.5, 0.75]) == pytest.approx(
        [0.925, 0.95, 0.975], abs=3e-3
    )
