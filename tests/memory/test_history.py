"""The last two visits of an item, against lists."""

import torch
from torch.nn import functional as F

from ilk.core import UNKNOWN, Composition, Rows
from ilk.memory import Bank, History


def plain(vectors, items, slots=0):
    numbers = torch.arange(len(vectors)) if slots == 0 else torch.full((len(vectors),), slots)
    return Rows(vectors, Composition.plain(torch.tensor(items)), numbers)


def test_fresh_rows_see_the_latest_and_remembered_rows_the_one_before():
    torch.manual_seed(0)
    history, seen = History(3, 5), {}
    for items in ([3, 1], [1, 4], [3, 0, 1]):
        rows = plain(torch.randn(len(items), 3), items)
        history.remember(rows)
        for item, vector in zip(items, F.normalize(rows.vectors, dim=1), strict=True):
            seen.setdefault(item, []).append(vector)
    items, vectors = [0, 1, 2, 3, 4, UNKNOWN], torch.randn(6, 3)
    fresh = history.before(plain(vectors, items))
    stale = history.before(plain(vectors, items, slots=-1))
    for row, item in enumerate(items):
        visits = seen.get(item, [])
        torch.testing.assert_close(fresh[row], visits[-1] if visits else vectors[row])
        torch.testing.assert_close(stale[row], visits[-2] if len(visits) > 1 else vectors[row])


def test_a_mixed_row_has_no_past():
    history = History(2, 3)
    history.remember(plain(torch.randn(3, 2), [0, 1, 2]))
    items, vectors = torch.arange(3), torch.randn(3, 2)
    composition = Composition.mixed(items, items.flip(0), torch.full((3,), 0.6))
    rows = Rows(vectors, composition, items)
    assert torch.equal(history.before(rows)[::2], vectors[::2])
    assert not torch.equal(history.before(rows)[1], vectors[1])  # mixed with itself: plain


def test_of_an_item_that_comes_twice_the_last_row_counts():
    vectors = torch.eye(3)
    bank, history = Bank(2, 3, momentum=0.0), History(3, 2)
    for memory in (bank, history):
        memory.remember(plain(vectors, [1, 0, 1]))
    assert torch.equal(bank.vectors, vectors[[1, 2]])
    assert torch.equal(history.before(plain(torch.zeros(2, 3), [0, 1])), vectors[[1, 2]])
    assert history.visits.tolist() == [1, 1]


def test_a_visit_of_this_step_counts_for_remembered_rows_of_the_item():
    """At the border of two epochs a bank still holds the last visit of this batch's items."""
    history = History(2, 3)
    first, second = torch.eye(2)[[0, 0, 0]], torch.eye(2)[[1, 1, 1]]
    history.remember(plain(first, [0, 1, 2]))
    history.remember(plain(second, [0, 1, 2]))
    new, bank = torch.full((1, 2), 0.5), second
    items = Composition.plain(torch.tensor([1, 0, 1, 2]))
    rows = Rows(torch.cat([new, bank]), items, torch.tensor([7, -1, -1, -1]))
    expected = torch.stack([second[1], first[0], second[1], first[2]])
    assert torch.equal(history.before(rows), expected)
