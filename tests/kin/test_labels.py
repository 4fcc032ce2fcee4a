"""Kin by label against loops."""

import pytest
import torch
from torch.nn import functional as F

from ilk.core import UNKNOWN, Composition, overlap
from ilk.kin import CommonSource, Itself, SameLabel
from ilk.objectives import soft_cross_entropy_rows
from tests.kin.context import FakeLook, joined, mixed_rows, plain, stale

LABELS = torch.tensor([0, 1, 0, -1, -1, 1])


def test_supervised_contrast_is_a_mean_over_all_of_a_class_outside_the_logarithm():
    torch.manual_seed(0)
    views = [F.normalize(torch.randn(6, 4).double(), dim=1) for _ in range(2)]
    rows = joined(plain(views[0]), plain(views[1], first_slot=6))
    rule = (CommonSource() | SameLabel()) - Itself()
    kin = rule(rows, rows, FakeLook(labels=LABELS))
    found = soft_cross_entropy_rows(rows.vectors @ rows.vectors.T / 0.1, kin)
    for i in range(12):
        others = [j for j in range(12) if j != i]
        scores = {j: float(rows.vectors[i] @ rows.vectors[j]) / 0.1 for j in others}
        total = torch.logsumexp(torch.tensor(list(scores.values())).double(), 0).item()
        mine = LABELS[i % 6]
        positives = [
            j for j in others if j % 6 == i % 6 or (mine >= 0 and LABELS[j % 6] == mine)
        ]
        expected = -sum(scores[j] - total for j in positives) / len(positives)
        assert found[i].item() == pytest.approx(expected)


def test_without_labels_kin_are_by_source_alone():
    rows, context = plain(torch.randn(4, 2)), FakeLook()
    assert SameLabel()(rows, rows, context).weights.sum() == 0
    both = (CommonSource() | SameLabel())(rows, rows, context).weights
    assert torch.equal(both, CommonSource()(rows, rows, context).weights)


def test_rows_of_a_memory_have_the_labels_of_their_items():
    kin = SameLabel()(
        plain(torch.randn(2, 2)),
        stale(torch.randn(3, 2), [2, UNKNOWN, 5]),
        FakeLook(labels=LABELS),
    )
    assert kin.weights.tolist() == [[1, 0, 0], [0, 0, 1]]


def test_mixes_share_classes_as_a_histogram_does():
    share = torch.tensor([0.7, 0.4, 0.9, 0.2, 0.5, 0.6]).double()
    rows = mixed_rows(torch.randn(6, 2), share)
    found = overlap(*(rows.composition.relabel(LABELS),) * 2)
    histograms = torch.zeros(6, 2).double()
    for i in range(6):
        for source, part in ((i, share[i]), (5 - i, 1 - share[i])):
            if LABELS[source] >= 0:
                histograms[i, LABELS[source]] += part
    expected = torch.minimum(histograms[:, None], histograms[None]).sum(2)
    torch.testing.assert_close(found, expected)


def test_shares_of_one_name_add_up_and_the_unknown_stay_unknown():
    parts = Composition(torch.tensor([[0, 2], [3, 4], [1, UNKNOWN]]), torch.full((3, 2), 0.5))
    found = parts.relabel(LABELS)
    assert found.sources.tolist() == [[0, UNKNOWN], [UNKNOWN, UNKNOWN], [1, UNKNOWN]]
    assert found.shares.tolist() == [[1.0, 0.0], [0.5, 0.5], [0.5, 0.5]]
