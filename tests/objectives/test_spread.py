"""KoLeo against loops over all pairs."""

import pytest
import torch

from ilk.core import Kin, Output, Progress
from ilk.method import kept_apart
from ilk.objectives import KoLeo
from tests.laws.world import small_method

NOW = Progress(0, 1, 1.0)


def by_loops(rows: torch.Tensor) -> torch.Tensor:
    """Kozachenko and Leonenko: minus the mean logarithm of the distance to the nearest."""
    unit = [row / row.norm() for row in rows]
    losses = []
    for i, row in enumerate(unit):
        others = [(row - other).norm() for j, other in enumerate(unit) if j != i]
        losses.append(-torch.stack(others).min().log())
    return torch.stack(losses).mean()


def test_loss_and_gradient_are_those_of_loops():
    rows = torch.randn(7, 5, dtype=torch.float64, requires_grad=True)
    found = KoLeo()(rows, (rows,), Kin(torch.eye(7)), NOW)
    expected = by_loops(rows)
    torch.testing.assert_close(found, expected, rtol=1e-6, atol=0)
    for a, b in zip(*(torch.autograd.grad(x, rows) for x in (found, expected)), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-9)


def test_equal_rows_and_a_single_row_have_a_finite_loss_and_gradient():
    for rows in (torch.ones(3, 2), torch.ones(1, 2), torch.zeros(2, 2)):
        rows.requires_grad_()
        loss = KoLeo()(rows, (rows,), Kin(torch.eye(len(rows))), NOW)
        loss.backward()
        assert loss.isfinite()
        assert rows.grad.isfinite().all()


def test_opposite_rows_are_the_nearest_of_each_other():
    rows = torch.tensor([[1.0, 0.0], [-1.0, 0.0]])
    loss = KoLeo()(rows, (rows,), Kin(torch.eye(2)), NOW)
    torch.testing.assert_close(loss, -torch.tensor(2.0).log())


def test_a_step_against_it_spreads_rows():
    torch.manual_seed(0)
    rows = (torch.tensor([1.0, 0, 0]) + 0.01 * torch.randn(6, 3)).requires_grad_()
    before = by_loops(rows)
    KoLeo()(rows, (rows,), Kin(torch.eye(6)), NOW).backward()
    assert by_loops(rows.detach() - 0.01 * rows.grad) < before


@pytest.mark.parametrize("name", ["byol", "mae"])
def test_a_term_of_it_fits_any_method(name):
    view = small_method(name).terms[0].queries[0].view
    (term,) = kept_apart([Output("student", view, "feature")], 0.1)
    assert term.weight == 0.1
    assert term.objective.unmixable == ""
