"""The rules that adoption is made of, each against a slow loop."""

import numpy as np
import pytest
import torch

from ilk.core import Composition, Output, Rows, overlap
from ilk.kin import (
    Added,
    AddedFromMemory,
    CommonSource,
    LeaveOut,
    Neighbours,
    Past,
    SameLabel,
    Similar,
)
from ilk.memory import Queue
from ilk.train.loop.kin_counts import kin_counts, reveal
from tests.kin.context import FakeLook, joined, mixed_rows, plain

KEY = Output("teacher", "b", "projector")
LABELS = torch.tensor([0, 1, 0, 1, -1, 2, 1, 0])


@pytest.fixture
def queue() -> Queue:
    """Eight entries, of which five were written."""
    torch.manual_seed(0)
    made = Queue(8, 4)
    made.remember(plain(torch.randn(5, 4), items=[2, 5, 6, 4, 7]))
    return made


def looking(queue: Queue, keys: Rows) -> FakeLook:
    return FakeLook(outputs={KEY: keys}, memories={"past": queue}, labels=LABELS)


def nearest(key: torch.Tensor, key_item: int, queue: Queue, k: int) -> set[int]:
    """Entries by a loop: written, and of another image."""
    others = [m for m in range(5) if queue.sources[m] != key_item]
    cosines = [torch.cosine_similarity(key, entry, dim=0).item() for entry in queue.vectors]
    return set(sorted(others, key=lambda m: -cosines[m])[:k])


@pytest.mark.parametrize("share", [None, 0.75])
def test_neighbours_of_the_key_by_the_shares_of_the_query(queue, share):
    torch.manual_seed(1)
    keys = plain(torch.randn(4, 4))
    queries = keys if share is None else mixed_rows(torch.randn(4, 4), torch.full((4,), share))
    candidates = joined_with_origin(keys, queue.rows())
    rule = Added(by=KEY, rule=Neighbours(k=2, within=Past(memory="past")))
    weights = rule(queries, candidates, looking(queue, keys)).weights
    expected = torch.zeros(4, 12)
    for row in range(4):
        sources = {row: 1.0} if share is None else {row: share, 3 - row: 1 - share}
        for item, part in sources.items():
            for entry in nearest(keys.vectors[item], item, queue, 2):
                expected[row, 4 + entry] += part / 2
    torch.testing.assert_close(weights, expected)


def test_guests_change_nothing_but_the_kin(queue):
    torch.manual_seed(1)
    keys = plain(torch.randn(4, 4))
    candidates = joined_with_origin(keys, queue.rows())
    added = Added(by=KEY, rule=Neighbours(k=2, within=Past(memory="past")))
    kin = AddedFromMemory(rule=CommonSource(), added=added, memory="past")(
        keys, candidates, looking(queue, keys)
    )
    for row in range(4):
        guests = {4 + entry for entry in nearest(keys.vectors[row], row, queue, 2)}
        for column in range(12):
            own = column == row
            expected = 1 / 3 if own or column in guests else 0.0
            assert kin.weights[row, column].item() == pytest.approx(expected)
            assert kin.ignored[row, column] == (column >= 4 and column not in guests)


def test_what_is_kin_already_is_never_cancelled():
    """A mix of two images that resemble one another keeps both for kin."""
    keys = plain(torch.tensor([[1.0, 0.1], [1.0, 0.0], [0.9, 0.1], [1.0, 0.2]]))
    queries = mixed_rows(torch.randn(4, 2), torch.full((4,), 0.6))
    similar = Added(by=KEY, rule=Similar(above=0.5, over=(KEY,)))
    context = FakeLook(outputs={KEY: keys})
    kin = LeaveOut(rule=CommonSource(), those=similar)(queries, keys, context)
    own = overlap(queries.composition, keys.composition) > 0
    assert torch.equal(kin.weights > 0, own)
    assert torch.equal(kin.ignored, ~own)


def test_labels_of_what_a_queue_shows_though_it_keeps_no_sources(queue):
    rows = queue.rows()
    assert (overlap(plain(torch.randn(8, 4)).composition, rows.composition) == 0).all()
    kin = SameLabel()(plain(torch.randn(8, 4)), rows, looking(queue, rows)).weights > 0
    shown = [2, 5, 6, 4, 7, None, None, None]
    for item in range(8):
        for entry, other in enumerate(shown):
            same = other is not None and LABELS[item] >= 0 and LABELS[item] == LABELS[other]
            assert kin[item, entry] == same


@pytest.mark.parametrize("cancel", [False, True])
@pytest.mark.parametrize("share", [None, 0.75])
def test_judged_against_a_loop(queue, share, cancel):
    torch.manual_seed(2)
    keys = plain(torch.randn(4, 4))
    queries = keys if share is None else mixed_rows(torch.randn(4, 4), torch.full((4,), share))
    candidates = joined_with_origin(keys, queue.rows())
    context = looking(queue, keys)
    finding = Added(by=KEY, rule=Similar(top=5, above=0.0))
    rule = CommonSource() - finding if cancel else CommonSource() | finding
    kin = rule(queries, candidates, context)
    picked = finding(queries, candidates, context).weights
    found = right = pairs = related = 0
    for row in range(4):
        mine = {row} if share is None else {row, 3 - row}
        for column, theirs in enumerate([0, 1, 2, 3, 2, 5, 6, 4, 7, None, None, None]):
            if theirs is None or theirs in mine or LABELS[theirs] < 0:
                continue
            same = LABELS[theirs].item() in {LABELS[item].item() for item in mine}
            weight = picked[row, column].item() if cancel else kin.weights[row, column].item()
            found += weight
            right += weight * same
            pairs += weight > 0 and same
            related += same
    got = kin_counts(rule, queries, candidates, kin, LABELS, context)
    assert 0 < right < found
    assert got.tolist() == pytest.approx([found, right, pairs, related])


def joined_with_origin(keys: Rows, past: Rows) -> Rows:
    both = joined(keys, past)
    return Rows(
        both.vectors, both.composition, both.slots, Composition.cat([keys.shown, past.shown])
    )


def test_revealed_labels_depend_on_seed_and_item_alone():
    labels = np.arange(4000, dtype=np.int32) % np.int32(7)
    labels[::3] = -1
    half = reveal(labels, 0.5, seed=3)
    assert np.array_equal(half[:100], reveal(labels[:100], 0.5, seed=3))
    assert not np.array_equal(half, reveal(labels, 0.5, seed=4))
    assert ((half == labels) | (half == -1)).all()
    shown = (half >= 0).sum().item() / (labels >= 0).sum().item()
    assert shown == pytest.approx(0.5, abs=0.04)
    more = reveal(labels, 0.8, seed=3)
    assert (more[half >= 0] >= 0).all()
    assert np.array_equal(reveal(labels, 1.0, seed=3), labels)
