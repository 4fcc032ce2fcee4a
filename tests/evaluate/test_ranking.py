import numpy as np
import pytest
import torch
from sklearn.metrics import average_precision_score

from ilk.evaluate.metrics.ranking import (
    Truth,
    average_precision,
    interpolated_precision,
    revisited,
)
from tests.evaluate import references


def metric(relevant, total, k=None):
    rows = torch.tensor(np.stack([relevant, relevant]))
    first, second = average_precision(rows, torch.tensor([total, total]), k).tolist()
    assert first == second
    assert first == pytest.approx(references.average_precision(relevant, total, k))
    return first


def test_metric_precision_is_that_of_scikit_learn():
    rng = np.random.default_rng(0)
    for _ in range(20):
        relevant = rng.random(30) < 0.3
        relevant[rng.integers(30)] = True
        expected = average_precision_score(relevant, -np.arange(30))
        assert metric(relevant, int(relevant.sum())) == pytest.approx(expected)


def test_metric_precision_by_hand():
    relevant = np.array([True, False, True, False])
    assert metric(relevant, 2) == pytest.approx((1 + 2 / 3) / 2)
    assert metric(relevant, 2, k=1) == 1.0
    assert metric(relevant, 4) == pytest.approx((1 + 2 / 3) / 4)
    assert metric(relevant, 4, k=2) == pytest.approx(1 / 2)


@pytest.mark.parametrize(
    ("places", "total", "expected"),
    [([0, 2], 2, 0.791667), ([0, 1], 2, 1), ([1], 1, 0.25), ([1, 2], 2, 0.416667), ([], 2, 0)],
)
def test_interpolated_precision_by_hand(places, total, expected):
    relevant = torch.zeros(1, 4, dtype=torch.bool)
    relevant[0, places] = True
    found = interpolated_precision(relevant, torch.tensor([total])).item()
    assert found == pytest.approx(references.interpolated_precision(places, total))
    assert found == pytest.approx(expected, abs=1e-6)


RANKING = np.array([7, 3, 5, 1, 4, 0, 2, 6])
TRUTH = Truth(easy=[3, 4], hard=[1], junk=[7, 0])


@pytest.mark.parametrize(
    ("protocol", "area", "precision"),
    [
        # without 7 0 1: 3 5 4 2 6; to find 3 and 4, at 0 and 2: trapezia 1 and (1/2 + 2/3) / 2
        ("easy", (1 + 7 / 12) / 2, (1, 2 / 3)),
        # without 7 0: 3 5 1 4 2 6; to find 3, 1 and 4, at 0, 2, 3: (2/3 + 3/4) / 2 more
        ("medium", (1 + 7 / 12 + 17 / 24) / 3, (1, 3 / 4)),
        # without 7 0 3 4: 5 1 2 6; to find 1, at place 1: ((0/1 + 1/2) / 2) / 1
        ("hard", 1 / 4, (0, 1 / 2)),
    ],
)
def test_junk_worked_out_on_paper(protocol, area, precision):
    nothing = Truth(easy=[], hard=[], junk=[1])
    found = revisited([RANKING, RANKING], [TRUTH, nothing], protocol, at=(1, 10))
    assert found.queries == 1, "a query with nothing to find is left out"
    assert found.mean_ap == pytest.approx(area)
    assert found.mean_precision == pytest.approx(precision)


def test_junk_in_front_changes_nothing():
    plain = revisited([np.array([1, 2, 3])], [Truth(easy=[1, 3], hard=[], junk=[])], "medium")
    junk = revisited(
        [np.array([9, 1, 2, 8, 3])], [Truth(easy=[1, 3], hard=[], junk=[8, 9])], "medium"
    )
    assert plain == junk
    assert plain.mean_ap == pytest.approx(0.791667, abs=1e-6)


def test_nothing_to_find_at_all_is_an_error():
    with pytest.raises(ValueError, match="something to find in hard"):
        revisited([RANKING], [Truth(easy=[1], hard=[], junk=[])], "hard")
