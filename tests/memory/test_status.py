"""The learning status of FlexMatch, against dictionaries."""

import torch

from ilk.core import UNKNOWN, Composition, Rows
from ilk.memory import LearningStatus


def shown(probabilities, items) -> Rows:
    scores = torch.as_tensor(probabilities).log()
    return Rows(scores, Composition.plain(torch.tensor(items)), torch.arange(len(items)))


def test_only_confident_predictions_are_written_and_stay_until_another_one_is():
    memory = LearningStatus(4, 0.75)
    assert memory.labels.tolist() == [UNKNOWN] * 4
    memory.remember(shown([[0.75, 0.25], [0.26, 0.74], [0.1, 0.9]], [2, 1, 0]))
    assert memory.labels.tolist() == [1, UNKNOWN, 0, UNKNOWN]
    memory.remember(shown([[0.3, 0.7], [0.2, 0.8]], [2, 1]))
    assert memory.labels.tolist() == [1, 1, 0, UNKNOWN]
    memory.remember(shown([[0.2, 0.8]], [2]))
    assert memory.labels.tolist() == [1, 1, 1, UNKNOWN]


def test_random_batches_equal_a_dictionary():
    torch.manual_seed(0)
    memory, known = LearningStatus(20, 0.6), {}
    for _ in range(30):
        items = torch.randperm(20)[:6].tolist()
        rows = torch.rand(6, 3).square()
        rows = rows / rows.sum(1, keepdim=True)
        memory.remember(shown(rows, items))
        for item, row in zip(items, rows.tolist(), strict=True):
            if max(row) >= 0.6:
                known[item] = row.index(max(row))
    assert len(known) > 5
    assert memory.labels.tolist() == [known.get(item, UNKNOWN) for item in range(20)]


def test_it_is_all_in_buffers():
    memory, again = LearningStatus(3, 0.5), LearningStatus(3, 0.5)
    memory.remember(shown([[0.9, 0.1]], [1]))
    again.load_state_dict(memory.state_dict())
    assert again.labels.tolist() == [UNKNOWN, 0, UNKNOWN]
