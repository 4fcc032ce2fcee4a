"""The queue against a list."""

from collections import deque

import hypothesis.strategies as st
import pytest
import torch
from hypothesis import given
from torch.nn import functional as F

from ilk.core import UNKNOWN, Composition, Rows, UserError
from ilk.memory import Queue


def plain(vectors, items):
    slots = torch.arange(len(vectors))
    return Rows(vectors, Composition.plain(torch.as_tensor(items)), slots)


@given(st.integers(1, 7), st.lists(st.integers(0, 7), max_size=8), st.integers(0, 9))
def test_the_newest_rows_stay_in_the_order_of_a_ring(size, batches, seed):
    torch.manual_seed(seed)
    queue, newest, item = Queue(size, 3, keep_sources=True), deque(maxlen=size), 0
    for count in (min(batch, size) for batch in batches):
        vectors = torch.randn(count, 3)
        items = torch.arange(item, item + count)
        queue.remember(plain(vectors, items))
        newest.extend(zip(F.normalize(vectors, dim=1), items.tolist(), strict=True))
        item += count
    rows = queue.rows()
    assert queue.written().sum() == min(item, size)
    for vector, number in newest:
        entry = number % size  # a ring: row number n lies at n modulo the size
        torch.testing.assert_close(rows.vectors[entry], vector)
        assert rows.composition.sources[entry].item() == number
    assert (rows.composition.sources[~queue.written()] == UNKNOWN).all()
    assert (rows.slots == -1).all()
    torch.testing.assert_close(rows.vectors.norm(dim=1), torch.ones(size))


def test_stale_copies_are_nobodys_unless_sources_are_kept():
    queue = Queue(4, 2)
    queue.remember(plain(torch.randn(2, 2), [0, 1]))
    assert (queue.rows().composition.sources == UNKNOWN).all()


def test_a_mix_is_remembered_as_nobodys():
    queue = Queue(3, 2, keep_sources=True)
    share = torch.tensor([0.5, 1.0, 0.0])
    mixes = Composition.mixed(torch.tensor([1, 2, 3]), torch.tensor([4, 5, 6]), share)
    queue.remember(Rows(torch.randn(3, 2), mixes, torch.arange(3)))
    assert queue.sources.tolist() == [UNKNOWN, 2, 6]


def test_more_rows_than_entries_are_an_error_that_says_what_to_do():
    with pytest.raises(UserError, match="got 5 rows for 4 entries; enlarge the queue"):
        Queue(4, 2).remember(plain(torch.randn(5, 2), range(5)))


def test_a_resumed_queue_continues_bit_for_bit():
    torch.manual_seed(0)
    through, batches = Queue(5, 3, keep_sources=True), [torch.randn(2, 3) for _ in range(6)]
    for batch in batches[:3]:
        through.remember(plain(batch, [0, 1]))
    resumed = Queue(5, 3, keep_sources=True, seed=9)
    resumed.load_state_dict(through.state_dict())
    for batch in batches[3:]:
        for queue in (through, resumed):
            queue.remember(plain(batch, [0, 1]))
    for name, buffer in through.state_dict().items():
        assert torch.equal(buffer, resumed.state_dict()[name])


def test_ranks_start_alike_whatever_their_random_state():
    torch.manual_seed(1)
    first = Queue(5, 3)
    torch.manual_seed(2)
    assert torch.equal(first.vectors, Queue(5, 3).vectors)
    assert not torch.equal(first.vectors, Queue(5, 3, seed=1).vectors)


def test_writing_keeps_clear_of_autograd():
    queue, query = Queue(4, 2), torch.randn(3, 2, requires_grad=True)
    keys = 2 * torch.randn(3, 2, requires_grad=True)
    loss = (query @ queue.rows().vectors.T).sum()
    before = queue.vectors.clone()
    loss.backward()
    queue.remember(plain(keys, range(3)))
    torch.testing.assert_close(query.grad, before.sum(0).expand(3, 2))
    assert not queue.vectors.requires_grad
    # Written before backward, the graph would hold other vectors than the forward pass saw.
    loss = (query @ queue.rows().vectors.T).sum()
    queue.remember(plain(keys, range(3)))
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        loss.backward()


def test_half_precision_rows_are_stored_in_single():
    queue = Queue(2, 2)
    queue.remember(plain(torch.tensor([[3.0, 4.0]]).half(), [0]))
    assert queue.vectors.dtype == torch.float32
    torch.testing.assert_close(queue.vectors[0], torch.tensor([0.6, 0.8]))
