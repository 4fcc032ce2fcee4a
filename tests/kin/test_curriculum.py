"""FlexMatch's thresholds by class, UDA's withheld labels, MixMatch's labels, against loops."""

from collections import Counter

import pytest
import torch

from ilk.core import UNKNOWN, Composition, Output, Progress, Rows, SignalAnnealing
from ilk.kin import KnownClass, KnownOrPredicted, PredictedByCurriculum, Unlearned
from ilk.memory import LearningStatus
from tests.kin.context import FakeLook, plain

WEAK, OTHER = (Output("student", view, "classifier", stopped=True) for view in ("u", "v"))


def context_of(scores, status, labels=None) -> FakeLook:
    memory = LearningStatus(len(status), 0.9)
    memory.labels.copy_(torch.tensor(status))
    known = torch.full((len(status),), UNKNOWN) if labels is None else torch.tensor(labels)
    return FakeLook({WEAK: plain(scores)}, {"status": memory}, labels=known)


RULE = PredictedByCurriculum(by=(WEAK,), memory="status", threshold=0.9)


def test_all_thresholds_begin_at_zero():
    scores = torch.randn(4, 3) / 10
    query = plain(torch.zeros(4, 3))
    weights = RULE(query, query, context_of(scores, [-1] * 4)).weights
    assert weights.argmax(1).tolist() == scores.argmax(1).tolist()
    assert weights.sum(1).tolist() == [1] * 4


def test_thresholds_are_those_of_the_paper():
    """Eq. 6, 8 and 11, and the convex map b / (2 - b)."""
    generator = torch.manual_seed(0)
    for _ in range(40):
        status = torch.randint(-1, 3, (12,), generator=generator).tolist()
        labels = torch.randint(-2, 3, (12,), generator=generator).clamp(min=-1).tolist()
        scores = 2 * torch.randn(12, 3, generator=generator)
        query = plain(torch.zeros(12, 3))
        found = RULE(query, query, context_of(scores, status, labels)).weights
        counts = Counter(s for s, label in zip(status, labels, strict=True) if label < 0)
        unused = counts.pop(-1, 0)
        for i, row in enumerate(scores.softmax(1).tolist()):
            best = row.index(max(row))
            share = counts[best] / max(*counts.values(), unused, 1)
            expected = [0.0] * 3
            expected[best] = float(row[best] >= 0.9 * share / (2 - share))
            assert found[i].tolist() == expected


def test_labels_that_are_known_by_heart_are_withheld():
    scores = torch.tensor([[2.0, 0, 0], [0, 0, 0], [0, 2.0, 0], [0, 0, 0]])
    query = plain(scores)
    known = KnownClass(classes=3)
    rule = Unlearned(rule=known, most=0.7)
    context = FakeLook(labels=torch.tensor([0, 1, 0, -1]))
    weights = rule(query, query, context).weights
    # Found with 0.787, 0.333 and 0.107; the last has no label.
    assert weights.tolist() == [[0, 0, 0], [0, 1, 0], [1, 0, 0], [0, 0, 0]]
    late = FakeLook(labels=context.labels, progress=Progress(100, 100, 10.0))
    annealed = Unlearned(rule=known, most=SignalAnnealing("linear", 3))
    assert torch.equal(annealed(query, query, late).weights, known(query, query, late).weights)
    early = FakeLook(labels=context.labels, progress=Progress(0, 100, 10.0))
    # One third exactly is what chance gives, and is still taught.
    assert annealed(query, query, early).weights.sum(1).tolist() == [0, 1, 1, 0]


@pytest.mark.parametrize("temperature", [0.5, 1.0])
def test_each_source_has_its_label_or_its_guess(temperature):
    """MixMatch, Eq. 6, 7 and 10: image 0 is labelled, 1 and 2 are guessed, 3 is neither."""
    torch.manual_seed(0)
    views = [torch.randn(2, 3).double() for _ in range(2)]
    context = FakeLook(
        {o: plain(v, items=[1, 2]) for o, v in zip((WEAK, OTHER), views, strict=True)},
        labels=torch.tensor([2, -1, -1, -1]),
    )
    pairs = [(0, 1, 0.7), (1, 0, 0.6), (2, 1, 0.9), (0, 0, 1.0), (1, 3, 0.8), (3, 0, 0.5)]
    first, second, share = (torch.tensor(column) for column in zip(*pairs, strict=True))
    made = Composition.mixed(first, second, share.double())
    query = Rows(torch.zeros(6, 3).double(), made, torch.arange(6))
    rule = KnownOrPredicted(classes=3, by=(WEAK, OTHER), temperature=temperature)
    found = rule(query, query, context).weights
    targets = {0: torch.tensor([0, 0, 1.0]).double()}
    for row, item in enumerate((1, 2)):
        power = sum(v[row].softmax(0) / 2 for v in views) ** (1 / temperature)
        targets[item] = power / power.sum()
    for i, (one, other, part) in enumerate(pairs):
        if 3 in (one, other):
            assert found[i].sum() == 0
        else:
            torch.testing.assert_close(
                found[i], part * targets[one] + (1 - part) * targets[other]
            )


def test_a_label_counts_before_a_guess():
    """Where a view that guesses shows a labelled image too."""
    context = FakeLook({WEAK: plain(torch.tensor([[5.0, 0.0]]))}, labels=torch.tensor([1]))
    query = plain(torch.zeros(1, 2))
    rule = KnownOrPredicted(classes=2, by=(WEAK,))
    assert rule(query, query, context).weights.tolist() == [[0, 1]]
