import pytest
import torch
from torch.nn import functional as F

from ilk.core import UNKNOWN, Composition, Rows
from ilk.memory import Bank


def plain(vectors, items):
    slots = torch.arange(len(vectors))
    return Rows(vectors, Composition.plain(torch.tensor(items)), slots)


def test_entries_move_by_item_and_the_first_write_keeps_nothing():
    torch.manual_seed(0)
    bank, table = Bank(5, 3, momentum=0.7), {}
    for items in ([3, 1], [1, 4], [3, 0, 1]):
        vectors = torch.randn(len(items), 3)
        bank.remember(plain(vectors, items))
        for item, vector in zip(items, F.normalize(vectors, dim=1), strict=True):
            old = table.get(item)
            new = vector if old is None else 0.7 * old + 0.3 * vector
            table[item] = new / new.norm()
    rows = bank.rows()
    for item, vector in table.items():
        torch.testing.assert_close(rows.vectors[item], vector)
    assert rows.composition.sources[:, 0].tolist() == [0, 1, UNKNOWN, 3, 4]
    assert (rows.slots == -1).all()


def test_all_of_it_is_in_the_state():
    torch.manual_seed(0)
    first, second = Bank(4, 2), Bank(4, 2, seed=5)
    first.remember(plain(torch.randn(2, 2), [2, 0]))
    second.load_state_dict(first.state_dict())
    more = plain(torch.randn(2, 2, requires_grad=True), [2, 3])
    for bank in (first, second):
        bank.remember(more)
        assert not bank.vectors.requires_grad
    assert torch.equal(first.vectors, second.vectors)
    assert torch.equal(first.sources, second.sources)


def test_a_bank_that_never_moves_is_refused():
    with pytest.raises(ValueError, match=r"momentum must be in \[0, 1\), got 1"):
        Bank(4, 2, momentum=1)
