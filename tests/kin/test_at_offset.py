"""Patches of an image at an offset, and the negatives that are drawn with them."""

import hypothesis.strategies as st
import pytest
import torch
from hypothesis import given, settings
from torch.utils._python_dispatch import TorchDispatchMode

from ilk.core import Progress, Rows, UserError
from ilk.kin import AtOffset
from ilk.objectives import Margin, SoftCrossEntropy, blocks
from tests.kin.context import FakeLook, plain

LOOK, NOW = FakeLook(), Progress(0, 1, 1.0)


def patches(items, side, seed=0, dim=3):
    """All patches of some images, shuffled, as ranks may hold them."""
    torch.manual_seed(seed)
    pairs = [(item, number) for item in items for number in range(side**2)]
    order = torch.randperm(len(pairs)).tolist()
    shuffled = [pairs[place] for place in order]
    rows = plain(torch.randn(len(pairs), dim).double(), [item for item, _ in shuffled])
    task = torch.tensor([number for _, number in shuffled])
    return Rows(rows.vectors, rows.composition, rows.slots, task=task), shuffled


@settings(max_examples=50)
@given(st.integers(-4, 4), st.integers(2, 4), st.integers(1, 3), st.integers(0, 50))
def test_kin_lie_at_the_offset_and_negatives_are_so_many_of_each_image(
    offset, side, count, seed
):
    if abs(offset) >= side:
        with pytest.raises(UserError, match=f"less than {side} rows apart"):
            AtOffset(rows=offset, side=side, negatives=count)
        return
    asked, names = patches([3, 0, 5], side, seed)
    given_rows, columns = patches([5, 3, 8], side, seed + 1)
    rule = AtOffset(rows=offset, side=side, negatives=count)
    kin = rule.align(asked, given_rows, LOOK)
    for query, (item, number) in enumerate(names):
        row, column = divmod(number, side)
        target = (item, (row + offset) * side + column)
        if 0 <= row + offset < side and target in columns:
            assert columns[kin.columns[query]] == target
            assert kin.weights[query] == 1
        else:
            assert kin.weights[query] == 0
    drawn = [columns[column] for column in kin.negatives.tolist()]
    assert len(set(drawn)) == len(drawn)
    assert [sum(item == own for own, _ in drawn) for item in (5, 3, 8)] == [count] * 3
    again, others = patches([8, 5, 3], side, seed + 2)  # in another order
    found = rule.align(asked, again, LOOK).negatives.tolist()
    assert {others[column] for column in found} == set(drawn)


def test_targets_of_a_grid_of_seven_are_those_of_the_paper():
    asked, _ = patches([1, 2], 7)
    counts = [
        AtOffset(rows=rows, side=7, negatives=1).align(asked, asked, LOOK).weights.sum() / 2
        for rows in (1, 2, 3, 4, 5, -1)
    ]
    assert counts == [42, 35, 28, 21, 14, 42]


def test_every_patch_is_drawn_at_some_step():
    asked, names = patches([1], 3)
    seen = set()
    for step in range(60):
        look = FakeLook(progress=Progress(step, 60, 1.0))
        kin = AtOffset(rows=1, side=3, negatives=1).align(asked, asked, look)
        seen |= {names[column] for column in kin.negatives.tolist()}
    assert len(seen) == 9


@pytest.mark.parametrize(
    "objective",
    [
        SoftCrossEntropy(temperature=0.5),
        SoftCrossEntropy(temperature=1.0, cosine=False),
        Margin(),
    ],
)
def test_the_loss_is_that_of_the_table_with_what_was_not_drawn_ignored(monkeypatch, objective):
    monkeypatch.setattr(blocks, "ENTRIES", 20)  # two queries at a time
    rows, _ = patches([3, 0, 5, 1], 3)
    kin = AtOffset(rows=1, side=3, negatives=2).align(rows, rows, LOOK)
    asked = rows.vectors.clone().requires_grad_()
    found = objective.aligned(asked, (rows.vectors,), kin, NOW)
    ours = torch.autograd.grad(found, asked)[0]
    expected = objective(asked, (rows.vectors,), kin.as_table(len(rows)), NOW)
    torch.testing.assert_close(found, expected)
    torch.testing.assert_close(ours, torch.autograd.grad(expected, asked)[0])


def test_without_knowledge_a_loss_is_what_chance_costs():
    """Queries of zeros: the logarithm of all patches, each of which counts once."""
    rows, _ = patches([3, 0, 5, 1], 4)
    kin = AtOffset(rows=1, side=4, negatives=16).align(rows, rows, LOOK)
    objective = SoftCrossEntropy(temperature=1.0, cosine=False)
    loss = objective.aligned(torch.zeros(64, 3).double(), (rows.vectors,), kin, NOW)
    assert loss.item() == pytest.approx(torch.tensor(64.0).log().item())  # 4.158883


class Largest(TorchDispatchMode):
    """The most entries that a tensor has."""

    entries = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        if isinstance(out, torch.Tensor):
            self.entries = max(self.entries, out.numel())
        return out


def test_no_table_of_all_patches_against_all():
    rows, _ = patches(list(range(64)), 7)
    objective = SoftCrossEntropy(temperature=1.0, cosine=False)
    asked = rows.vectors.clone().requires_grad_()
    with Largest() as largest:
        kin = AtOffset(rows=2, side=7, negatives=1).align(rows, rows, LOOK)
        objective.aligned(asked, (rows.vectors,), kin, NOW).backward()
    assert largest.entries <= len(rows) * (64 + 1)
