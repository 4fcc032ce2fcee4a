"""Aligned kin give the losses and gradients of the table that they stand for, without it."""

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from ilk.core import AlignedKin, AlignedObjective, Kin, Progress
from ilk.objectives import (
    ClassInformation,
    Divergence,
    Margin,
    MeanShift,
    PairClassification,
    PairInformation,
    RedundancyReduction,
    SoftCrossEntropy,
    VarianceCovariance,
    WhitenedMeanShift,
    blocks,
)

NOW = Progress(0, 1, 1.0)
ROWS = [
    SoftCrossEntropy(temperature=0.2),
    SoftCrossEntropy(temperature=1.0, cosine=False, margin=-0.3),
    Divergence(temperature=0.5),
    Margin(margin=0.2),
    MeanShift(),
    PairInformation(heads=(3, 2), marginals=1.5),
    ClassInformation(balance=2.0),
    RedundancyReduction(),
    VarianceCovariance(),
    WhitenedMeanShift(sub_batch=6),
]


def world(queries=7, candidates=6, dim=5):
    """Queries, two blocks of candidates, and kin: one query has none, one counts by a half."""
    torch.manual_seed(0)
    asked = torch.randn(queries, dim).double().requires_grad_()
    given = torch.randn(candidates, dim).double().requires_grad_()
    columns = torch.randint(candidates, (queries,))
    weights = torch.ones(queries).double()
    weights[3], weights[5] = 0.0, 0.5
    importance = torch.rand(queries).double() + 0.5
    return asked, given, AlignedKin(columns, weights, importance)


def table_of(kin, columns):
    """The same kin, cell by cell."""
    cells = [
        [float(weight) if column == k else 0.0 for k in range(columns)]
        for column, weight in zip(kin.columns.tolist(), kin.weights.tolist(), strict=True)
    ]
    return Kin(torch.tensor(cells).to(kin.weights), importance=kin.importance)


@pytest.fixture
def few_entries(monkeypatch):
    """Tables of two queries at a time."""
    monkeypatch.setattr(blocks, "ENTRIES", 12)


@pytest.mark.parametrize("objective", ROWS, ids=lambda o: type(o).__name__)
@pytest.mark.parametrize("weighed", [False, True])
def test_loss_and_gradients_are_those_of_the_table(few_entries, objective, weighed):
    asked, given, kin = world()
    kin = kin if weighed else AlignedKin(kin.columns, kin.weights)
    # No block may have fewer rows than can be whitened.
    white = isinstance(objective, WhitenedMeanShift)
    parts = (given,) if white else (given[:2], given[2:])
    found = objective.aligned(asked, parts, kin, NOW)
    expected = objective(asked, parts, table_of(kin, 6), NOW)
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)
    sides = (asked, given)
    ours, theirs = (
        torch.autograd.grad(loss, sides, allow_unused=True) for loss in (found, expected)
    )
    for own, other in zip(ours, theirs, strict=True):
        if own is None or other is None:
            assert isinstance(objective, ClassInformation)
            continue
        torch.testing.assert_close(own, other, rtol=1e-10, atol=1e-12)


def test_scores_over_classes_are_their_own_columns(few_entries):
    scores, _, kin = world(dim=6)
    objective = SoftCrossEntropy(temperature=0.5)
    found = objective.aligned(scores, (), kin, NOW)
    by_hand = 0.0
    for row, column, weight, counts in zip(
        scores / 0.5, kin.columns, kin.weights, kin.importance, strict=True
    ):
        by_hand += counts * weight * (torch.logsumexp(row, 0) - row[column])
    torch.testing.assert_close(found, by_hand / 6)  # six of the seven have kin


def test_a_table_of_pairs_is_what_pair_classification_needs():
    assert not isinstance(PairClassification(), AlignedObjective)
    assert all(isinstance(objective, AlignedObjective) for objective in ROWS)


def test_a_table_holds_what_is_aligned():
    _, _, kin = world()
    made, expected = kin.as_table(6), table_of(kin, 6)
    assert torch.equal(made.weights, expected.weights)
    assert torch.equal(made.related, kin.related)
    part = kin.part(slice(2, 5))
    assert torch.equal(part.as_table(6).weights, expected.weights[2:5])
    assert torch.equal(part.importance, kin.importance[2:5])


class Largest(TorchDispatchMode):
    """Remembers how many entries the largest tensor had."""

    entries = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        for tensor in out if isinstance(out, tuple | list) else (out,):
            if isinstance(tensor, torch.Tensor):
                self.entries = max(self.entries, tensor.numel())
        return out


@pytest.mark.parametrize("objective", ROWS, ids=lambda o: type(o).__name__)
def test_memory_grows_with_rows_and_not_with_pairs(monkeypatch, objective):
    monkeypatch.setattr(blocks, "ENTRIES", 2**16)
    seen = {}
    for count in (1000, 3000):
        asked, given, kin = world(count, count)
        with Largest() as largest:
            objective.aligned(asked, (given,), kin, NOW).backward()
        seen[count] = largest.entries
    assert seen[3000] <= max(2**16, 3 * seen[1000])
    assert seen[3000] < 3000 * 3000 / 100


def test_the_table_would_be_seen():
    asked, given, kin = world(300, 300)
    with Largest() as largest:
        MeanShift()(asked, (given,), kin.as_table(300), NOW).backward()
    assert largest.entries == 300 * 300
