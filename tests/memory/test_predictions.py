"""Ensembled predictions, against lists and the paper's formula."""

import pytest
import torch

from ilk.core import UNKNOWN, Composition, Rows, UserError
from ilk.kin import PastPrediction
from ilk.memory import Predictions, Queue
from tests.kin.context import FakeLook


def shown(probabilities, items) -> Rows:
    scores = torch.tensor(probabilities).log()
    return Rows(scores, Composition.plain(torch.tensor(items)), torch.arange(len(items)))


def test_a_constant_prediction_is_the_target_at_every_visit():
    memory = Predictions(3, 2)
    sums = []
    for _ in range(3):
        memory.remember(shown([[0.7, 0.2, 0.1]], [1]))
        sums.append(memory.sums[1, 0].item())
        found, known = memory.predicted(torch.tensor([1, 0]))
        assert found[0].tolist() == pytest.approx([0.7, 0.2, 0.1])
        assert known.tolist() == [True, False]
        assert found[1].tolist() == [0, 0, 0]
    assert sums == pytest.approx([0.28, 0.448, 0.5488])


def test_the_average_has_no_bias_towards_its_beginning():
    memory = Predictions(2, 1)
    for row in ([1.0, 0.0], [0.0, 1.0]):
        memory.remember(shown([row], [0]))
    found, _ = memory.predicted(torch.tensor([0]))
    assert found[0].tolist() == pytest.approx([0.375, 0.625])


def test_visits_of_random_batches_equal_a_loop():
    torch.manual_seed(0)
    memory, past = Predictions(3, 5, momentum=0.8), {}
    for items in ([3, 1], [1, 4, 1], [3, 0, 1]):
        rows = torch.rand(len(items), 3) + 0.1
        rows = rows / rows.sum(1, keepdim=True)
        memory.remember(shown(rows.tolist(), items))
        for item in set(items):
            last = max(n for n, other in enumerate(items) if other == item)
            past.setdefault(item, []).append(rows[last])
    found, known = memory.predicted(torch.arange(5))
    for item in range(5):
        rows = past.get(item, [])
        weights = [0.2 * 0.8 ** (len(rows) - 1 - n) for n in range(len(rows))]
        assert bool(known[item]) == bool(rows)
        if rows:
            mean = sum(w * row for w, row in zip(weights, rows, strict=True)) / sum(weights)
            torch.testing.assert_close(found[item], mean)


def test_kin_of_a_mix_are_the_predictions_of_its_sources_by_their_shares():
    memory = Predictions(2, 4)
    memory.remember(shown([[0.9, 0.1], [0.2, 0.8]], [0, 1]))
    sources = torch.tensor([[0, 1], [0, 2], [2, 0], [1, UNKNOWN], [3, UNKNOWN]])
    shares = torch.tensor([[0.25, 0.75], [1.0, 0.0], [0.5, 0.5], [1.0, 0.0], [1.0, 0.0]])
    rows = Rows(torch.zeros(5, 2), Composition(sources, shares), torch.arange(5))
    context = FakeLook(memories={"past": memory, "queue": Queue(8, 2)})
    kin = PastPrediction(predictions="past")(rows, rows, context)
    expected = [[0.375, 0.625], [0.9, 0.1], [0, 0], [0.2, 0.8], [0, 0]]
    for found, row in zip(kin.weights.tolist(), expected, strict=True):
        assert found == pytest.approx(row)
    with pytest.raises(UserError, match="memory queue: must have predicted"):
        PastPrediction(predictions="queue")(rows, rows, context)


def test_momentum_must_be_a_share():
    with pytest.raises(ValueError, match="in \\[0, 1\\)"):
        Predictions(2, 2, momentum=1.0)
