import pytest
import torch

from ilk.core import Composition, Rows
from ilk.memory import Centre


def rows(scores):
    items = torch.arange(len(scores))
    return Rows(scores, Composition.plain(items), items)


def test_the_centre_follows_the_mean_of_each_step():
    torch.manual_seed(0)
    centre, expected = Centre(3, momentum=0.8), [0.0, 0.0, 0.0]
    for count in (4, 1, 7):
        scores = torch.randn(count, 3, requires_grad=True)
        centre.remember(rows(scores))
        means = [sum(scores[:, k].tolist()) / count for k in range(3)]
        expected = [0.8 * old + 0.2 * new for old, new in zip(expected, means, strict=True)]
    assert centre.value.tolist() == pytest.approx(expected, abs=1e-6)
    assert not centre.value.requires_grad
    assert centre.state_dict().keys() == {"value"}


def test_half_precision_scores_are_summed_in_single():
    centre = Centre(1, momentum=0.0)
    centre.remember(rows(torch.full((4096, 1), 3.0).half()))
    assert centre.value.item() == 3.0
