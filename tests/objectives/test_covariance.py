"""Contrast with a running covariance, against loops; and the memory that keeps it."""

import pytest
import torch

from ilk.core import UNKNOWN, Composition, Kin, Progress, Rows
from ilk.memory import Covariance
from ilk.objectives import CovarianceContrast

NOW = Progress(0, 1, 1.0)


def slow(rows: torch.Tensor, others: torch.Tensor, before: torch.Tensor) -> float:
    """Algorithm 1 of Zhu et al., 2022, plus one, with beta 0.9 and rho 8."""
    count, dim = rows.shape
    z = [[x / float(row.norm()) for x in row.tolist()] for row in rows]
    k = [[x / float(row.norm()) for x in row.tolist()] for row in others]
    c = [[0.9 * float(before[a, b]) + 0.1 * sum(row[a] * row[b] for row in z) / count
          for b in range(dim)] for a in range(dim)]  # fmt: skip
    near = sum(x * y for a, b in zip(z, k, strict=True) for x, y in zip(a, b, strict=True))
    used = sum(row[a] * c[a][b] * row[b] for row in z for a in range(dim) for b in range(dim))
    return 1 - near / count + 8 * used / count


def test_it_is_what_loops_say_and_the_batch_has_a_gradient():
    torch.manual_seed(0)
    rows = torch.randn(5, 3).double().requires_grad_()
    keys, past = torch.randn(5, 3).double(), torch.rand(3, 3).double()
    before = past @ past.T
    order = torch.tensor([2, 0, 1, 4, 3])  # each query's kin among the keys
    weights = torch.zeros(5, 8).double()
    weights[torch.arange(5), order] = 1  # no kin among the rows of the matrix
    found = CovarianceContrast()(rows, (keys, before), Kin(weights), NOW)
    assert found.item() == pytest.approx(slow(rows.detach(), keys[order], before))
    assert torch.autograd.gradcheck(
        lambda r: CovarianceContrast()(r, (keys, before), Kin(weights), NOW), (rows,)
    )


def test_rows_without_kin_count_nowhere():
    torch.manual_seed(1)
    rows, keys, before = torch.randn(4, 3), torch.randn(4, 3), torch.eye(3)
    weights = torch.eye(4, 7)
    weights[3] = 0
    found = CovarianceContrast()(rows, (keys, before), Kin(weights), NOW)
    alone = CovarianceContrast()(rows[:3], (keys, before), Kin(weights[:3]), NOW)
    torch.testing.assert_close(found, alone)


def test_the_memory_keeps_what_the_loss_was_contrasted_with():
    torch.manual_seed(2)
    memory, expected = Covariance(3, momentum=0.9), torch.zeros(3, 3)
    for _ in range(3):
        rows = torch.randn(4, 3, requires_grad=True)
        items = torch.arange(4)
        memory.remember(Rows(3 * rows, Composition.plain(items), items))
        unit = rows.detach() / rows.detach().norm(dim=1, keepdim=True)
        own = sum(torch.outer(row, row) for row in unit) / 4
        expected = 0.9 * expected + 0.1 * own
    torch.testing.assert_close(memory.value, expected)
    assert memory.state_dict().keys() == {"value"}
    shown = memory.rows()
    assert torch.equal(shown.vectors, memory.value)
    assert not shown.vectors.requires_grad
    assert not (shown.composition.shares * (shown.composition.sources != UNKNOWN)).any()
