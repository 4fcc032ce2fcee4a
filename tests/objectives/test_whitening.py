"""Whitened rows and their distances, against arithmetic by hand."""

import pytest
import torch

from ilk.core import Kin, Progress, UserError
from ilk.objectives import MeanShift, WhitenedMeanShift, whiten
from ilk.objectives.whitening import sub_batches

NOW = Progress(0, 1, 1.0)
# Covariance [[4, 2], [2, 5]] after the mean (1, -1) is taken off: L = [[2, 0], [1, 2]].
FACTOR = torch.tensor([[2.0, 0], [1, 2]]).double()
SQUARE = torch.tensor([[1.0, 1], [1, -1], [-1, 1], [-1, -1]]).double() * (3 / 4) ** 0.5
ROWS = SQUARE @ FACTOR.T + torch.tensor([1.0, -1.0]).double()


def test_rows_of_a_known_covariance_come_back_white():
    torch.testing.assert_close(ROWS.T.cov(), torch.tensor([[4.0, 2], [2, 5]]).double())
    torch.testing.assert_close(whiten(ROWS), SQUARE)
    # Half of the identity: [[2.5, 1], [1, 3]].
    milder = torch.linalg.cholesky(torch.tensor([[2.5, 1], [1, 3]]).double())
    expected = (ROWS - ROWS.mean(0)) @ torch.linalg.inv(milder).T
    torch.testing.assert_close(whiten(ROWS, 0.5), expected)


@pytest.mark.parametrize(("rows", "size", "lengths"), [
    (8, 4, [4, 4]), (11, 4, [6, 5]), (3, 4, [3]), (12, 5, [6, 6]), (4, 4, [4]),
])  # fmt: skip
def test_no_part_is_shorter_than_asked(rows, size, lengths):
    assert [len(part) for part in sub_batches(torch.zeros(rows, 1), size)] == lengths


def test_positives_are_compared_once_each_part_is_white():
    torch.manual_seed(0)
    a, b = torch.randn(8, 3).double(), torch.randn(8, 3).double()
    found = WhitenedMeanShift(sub_batch=4)(a, (b,), Kin(torch.eye(8).double()), NOW)
    left, right = (torch.cat([whiten(x[:4]), whiten(x[4:])]) for x in (a, b))
    cosines = torch.nn.functional.cosine_similarity(left, right)
    torch.testing.assert_close(found, (2 - 2 * cosines).mean())
    whole = WhitenedMeanShift(sub_batch=8)(a, (b,), Kin(torch.eye(8).double()), NOW)
    assert whole != found


def test_soft_kin_weigh_the_distances():
    torch.manual_seed(0)
    a, b, c = (torch.randn(6, 2).double() for _ in range(3))
    weights = torch.rand(6, 12).double()
    weights = weights / weights.sum(1, keepdim=True)
    found = WhitenedMeanShift(sub_batch=6)(a, (b, c), Kin(weights), NOW)
    expected = MeanShift()(whiten(a), (whiten(b), whiten(c)), Kin(weights), NOW)
    torch.testing.assert_close(found, expected)


def test_scale_shift_and_shear_of_a_view_do_not_count():
    """What whitening is for: no collapse along any direction lowers the loss."""
    torch.manual_seed(0)
    a, b = torch.randn(8, 3).double(), torch.randn(8, 3).double()
    objective, kin = WhitenedMeanShift(sub_batch=8), Kin(torch.eye(8).double())
    lower = torch.tensor([[3.0, 0, 0], [1, 1e-4, 0], [0, 2, 5]]).double()
    found = objective(a @ lower.T + 7, (b,), kin, NOW)
    torch.testing.assert_close(found, objective(a, (b,), kin, NOW))


def test_gradients_are_those_of_finite_differences():
    torch.manual_seed(0)
    a = torch.randn(5, 2).double().requires_grad_()
    b = torch.randn(5, 2).double().requires_grad_()
    objective, kin = WhitenedMeanShift(sub_batch=5), Kin(torch.eye(5).double())
    assert torch.autograd.gradcheck(lambda x, y: objective(x, (y,), kin, NOW), (a, b))


@pytest.mark.parametrize("rows", [2, 3])
def test_too_few_rows_are_an_error_that_says_what_to_do(rows):
    with pytest.raises(UserError, match=f"dimensions, 3, got {rows}; take a larger batch"):
        whiten(torch.randn(rows, 3))


def test_what_has_collapsed_is_not_a_number_and_stops_the_run():
    flat = torch.randn(8, 1) @ torch.tensor([[0.0, 1.0]])
    assert whiten(flat).isnan().any()
    assert whiten(flat, 0.1).isfinite().all()
