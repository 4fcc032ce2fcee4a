"""Mutual information of labelings beside scikit-learn's."""

import pytest
import torch
from sklearn.metrics import normalized_mutual_info_score

from ilk.core import UNKNOWN
from ilk.memory.agreement import mutual_information


@pytest.mark.parametrize(("left", "right"), [(3, 3), (2, 9), (40, 40), (1, 4)])
def test_it_is_that_of_scikit_learn(left, right):
    chance = torch.Generator().manual_seed(left)
    a = torch.randint(left, (60,), generator=chance)
    b = (a + torch.randint(2, (60,), generator=chance)) % right
    expected = normalized_mutual_info_score(a, b)
    assert mutual_information(a, b) == pytest.approx(expected, abs=1e-12)


def test_other_names_agree_and_items_without_a_label_do_not_count():
    a = torch.tensor([0, 0, 1, 1, 2, UNKNOWN, 1])
    b = torch.tensor([7, 7, 3, 3, 0, 1, UNKNOWN])
    assert mutual_information(a, b) == pytest.approx(1)
    assert mutual_information(a, torch.full_like(a, UNKNOWN)) == 0
    assert mutual_information(torch.zeros(4).long(), torch.zeros(4).long()) == 1
