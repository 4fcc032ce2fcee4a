"""Pairs by two thresholds: worked examples and a loop."""

import pytest
import torch

from ilk.core import Line, Output, Progress
from ilk.kin import SurePairs
from tests.kin.context import FakeLook, plain

MEETING = SurePairs(above=Line(0.95, 0.5), below=Line(0.455, 0.5))


@pytest.mark.parametrize(
    ("step", "kin", "ignored"),
    [
        (0, [], [(0, 1), (1, 2)]),  # only the orthogonal pair is sure, and foreign
        (400, [(0, 1)], [(1, 2)]),  # thresholds 0.75 and 0.475
        (900, [(0, 1), (1, 2)], []),  # both have met at 0.5
    ],
)
def test_worked_examples(step, kin, ignored):
    features = torch.tensor([[1.0, 1e-30], [0.8, 0.6], [1e-30, 1.0]]).double()
    scores = plain(features.log())  # probabilities in the same direction
    found = MEETING(scores, scores, FakeLook(progress=Progress(step, 900, 10.0)))
    above = torch.triu(torch.ones(3, 3, dtype=torch.bool), 1)
    assert ((found.weights > 0) & above).nonzero().tolist() == [list(p) for p in kin]
    assert (found.ignored & above).nonzero().tolist() == [list(p) for p in ignored]
    torch.testing.assert_close(found.weights.sum(1), torch.ones(3).double())


def test_a_loop_over_pairs():
    torch.manual_seed(0)
    ours, theirs = 2 * torch.randn(6, 4).double(), 2 * torch.randn(7, 4).double()
    found = SurePairs(above=0.8, below=0.4)(plain(ours), plain(theirs), FakeLook())
    seen = set()
    for i in range(6):
        p = ours[i].exp() / ours[i].exp().sum()
        kin = []
        for j in range(7):
            q = theirs[j].exp() / theirs[j].exp().sum()
            cosine = float((p @ q) / p.norm() / q.norm())
            kin.append(cosine >= 0.8)
            assert bool(found.ignored[i, j]) == (0.4 <= cosine < 0.8)
            seen.add((cosine >= 0.8) - (cosine < 0.4))
        expected = [1 / sum(kin) if own else 0.0 for own in kin]
        assert found.weights[i].tolist() == pytest.approx(expected)
    assert seen == {-1, 0, 1}


def test_one_hot_features_pair_by_their_largest_class():
    scores = plain(200 * torch.eye(3)[[0, 1, 0, 2]])
    found = SurePairs(above=0.95, below=0.455)(scores, scores, FakeLook())
    assert not found.ignored.any()
    assert (found.weights > 0).tolist() == [
        [True, False, True, False],
        [False, True, False, False],
        [True, False, True, False],
        [False, False, False, True],
    ]


def test_another_view_may_decide_for_both():
    other = Output("student", "whole", "projector", stopped=True)
    scores, decide = torch.randn(4, 3), plain(200 * torch.eye(3)[[0, 1, 0, 2]])
    rule = SurePairs(above=0.95, below=0.455)
    by = SurePairs(above=0.95, below=0.455, by=other)
    found = by(plain(scores), plain(-scores), FakeLook({other: decide}))
    expected = rule(decide, decide, FakeLook())
    assert torch.equal(found.weights, expected.weights)
    assert torch.equal(found.ignored, expected.ignored)
