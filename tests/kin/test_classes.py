"""Kin over classes by labels and by predictions, against loops and worked examples."""

import pytest
import torch

from ilk.core import Output
from ilk.kin import KnownClass, Predicted, sharpen
from tests.kin.context import FakeLook, mixed_rows, plain

WEAK, OTHER = (Output("student", view, "classifier", stopped=True) for view in ("u", "v"))
LABELS = torch.tensor([2, 0, -1, 1])


def test_a_known_class_is_one_hot_and_an_unknown_one_is_no_kin():
    query = plain(torch.zeros(4, 3))
    weights = KnownClass(classes=3)(query, query, FakeLook(labels=LABELS)).weights
    assert weights.tolist() == [[0, 0, 1], [1, 0, 0], [0, 0, 0], [0, 1, 0]]


def test_a_mix_has_both_classes_by_share_and_none_where_one_is_unknown():
    # Mixed with its mirror: 0 with 3, 1 with 2, whose class is not known.
    query = mixed_rows(torch.zeros(4, 3), torch.tensor([0.7, 0.4, 0.4, 1.0]))
    weights = KnownClass(classes=3)(query, query, FakeLook(labels=LABELS)).weights
    expected = torch.tensor([[0, 0.3, 0.7], [0, 0, 0], [0, 0, 0], [0, 1, 0]])
    torch.testing.assert_close(weights, expected)
    same = KnownClass(classes=3)(query, query, FakeLook(labels=torch.tensor([1, 1, 1, 1])))
    torch.testing.assert_close(same.weights, torch.tensor([[0.0, 1, 0]] * 4))


def test_a_prediction_counts_from_the_threshold_on():
    """FixMatch, Eq. 4: 0.96 is sure, 0.9 is not, and 0.5 is what two equal scores give."""
    sure = torch.tensor([[0.96, 0.04], [0.9, 0.1], [0.5, 0.5]]).log()
    context = FakeLook({WEAK: plain(sure)})
    query = plain(torch.zeros(3, 2))
    hard = Predicted(by=(WEAK,), threshold=0.95)(query, query, context).weights
    assert hard.tolist() == [[1, 0], [0, 0], [0, 0]]
    at = Predicted(by=(WEAK,), threshold=0.5)(query, query, context).weights
    assert at.sum(dim=1).tolist() == [1, 1, 1]


def test_several_views_are_averaged_before_they_are_sharpened():
    """MixMatch, Eq. 6 and 7, in loops; not scores are averaged but probabilities."""
    torch.manual_seed(0)
    views = [torch.randn(5, 4).double() for _ in range(2)]
    context = FakeLook({WEAK: plain(views[0]), OTHER: plain(views[1])})
    query = plain(torch.zeros(5, 4).double())
    found = Predicted(by=(WEAK, OTHER), temperature=0.5)(query, query, context).weights
    for i in range(5):
        guess = [
            sum(float(v[i, c].exp() / v[i].exp().sum()) for v in views) / 2 for c in range(4)
        ]
        raised = [g ** (1 / 0.5) for g in guess]
        assert found[i].tolist() == pytest.approx([r / sum(raised) for r in raised])


def test_confidence_is_that_before_sharpening():
    """UDA: scores [2, 1, 0] are 0.665 sure; sharpened at 0.4 they would be 0.918."""
    context = FakeLook({WEAK: plain(torch.tensor([[2.0, 1.0, 0.0]]))})
    query = plain(torch.zeros(1, 3))

    def rule(threshold):
        return Predicted(by=(WEAK,), temperature=0.4, threshold=threshold)

    assert rule(0.8)(query, query, context).weights.sum() == 0
    torch.testing.assert_close(
        rule(0.5)(query, query, context).weights,
        torch.tensor([[0.918423, 0.075389, 0.006188]]),
        atol=1e-6,
        rtol=0,
    )


def test_sharpening():
    guess = torch.tensor([[0.6, 0.3, 0.1], [1 / 3, 1 / 3, 1 / 3], [1.0, 0.0, 0.0]])
    expected = torch.tensor([[0.7826087, 0.1956522, 0.0217391], [1 / 3] * 3, [1, 0, 0]])
    torch.testing.assert_close(sharpen(guess, 0.5), expected)
    torch.testing.assert_close(sharpen(guess, 1.0), guess)
    assert sharpen(guess, 0).tolist() == [[1, 0, 0]] * 3


def test_a_mixed_query_has_the_predictions_of_both_sources_or_none():
    sure = torch.tensor([[0.97, 0.03], [0.6, 0.4], [0.1, 0.9], [0.02, 0.98]]).log()
    context = FakeLook({WEAK: plain(sure)})
    query = mixed_rows(torch.zeros(4, 2), torch.tensor([0.75, 0.4, 0.4, 0.1]))
    hard = Predicted(by=(WEAK,), threshold=0.95)(query, query, context).weights
    expected = torch.tensor([[0.75, 0.25], [0, 0], [0, 0], [0.9, 0.1]])
    torch.testing.assert_close(hard, expected)


def test_rows_of_items_that_nothing_decides_have_no_kin():
    context = FakeLook({WEAK: plain(torch.randn(2, 3), items=[7, 9])})
    query = plain(torch.zeros(3, 3), items=[9, 8, 7])
    weights = Predicted(by=(WEAK,))(query, query, context).weights
    assert weights.sum(dim=1).tolist() == [1, 0, 1]
