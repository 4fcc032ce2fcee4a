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
def test_where_only_its_kin_counts_of_some_columns_the_others_are_ignored(
    few_entries, objective
):
    asked, given, kin = world()
    kin = AlignedKin(kin.columns % 4, kin.weights, kin.importance, own=4)
    parts = (given[:3], given[3:4], given[4:])
    if isinstance(objective, WhitenedMeanShift):
        return  # its blocks are whitened whole
    found = objective.aligned(asked, parts, kin, NOW)
    weights = table_of(kin, 6).weights
    ignored = (weights == 0) & (torch.arange(6) < 4)
    expected = objective(asked, parts, Kin(weights, ignored, kin.importance), NOW)
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)
    ours, theirs = (torch.autograd.grad(loss, (asked,)) for loss in (found, expected))
    torch.testing.assert_close(ours, theirs, rtol=1e-10, atol=1e-12)
    assert torch.equal(kin.as_table(6).weights, weights)
    assert torch.equal(kin.part(slice(1, 3)).as_table(6).ignored, ignored[1:3])


def test_own_columns_are_whole_blocks():
    asked, given, kin = world()
    with pytest.raises(ValueError, match="rows of some first candidates, got 3"):
        SoftCrossEntropy(temperature=1.0).aligned(
            asked, (given,), AlignedKin(kin.columns, kin.weights, own=3), NOW
        )


def test_variances_and_covariances_are_those_of_groups():
    asked, given, kin = world(queries=9)
    group = torch.tensor([0, 1, 2, 1, 0, 1, 0, 1, 3])
    kin = AlignedKin(kin.columns, kin.weights, group=group)
    found = VarianceCovariance(invariance=0.0).aligned(asked, (given,), kin, NOW)
    parts = []
    for number in (0, 1):  # two rows at least; the query without kin does not count
        rows = (group == number) & (kin.weights > 0)
        alone = AlignedKin(kin.columns[rows], kin.weights[rows])
        objective = VarianceCovariance(invariance=0.0)
        parts.append(objective.aligned(asked[rows], (given,), alone, NOW))
    torch.testing.assert_close(found, torch.stack(parts).mean(), rtol=1e-12, atol=1e-12)
    whole = VarianceCovariance(variance=0.0, covariance=0.0)
    mine = (asked[kin.weights > 0] - given[kin.columns[kin.weights > 0]]).square().mean()
    torch.testing.assert_close(whole.aligned(asked, (given,), kin, NOW), 25 * mine)


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
