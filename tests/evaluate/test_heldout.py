import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ilk.evaluate.protocols.heldout import held_out


@given(
    labels=st.lists(st.integers(0, 5), min_size=1, max_size=80),
    share=st.floats(0.05, 0.9),
    seed=st.integers(0, 2**32),
)
@settings(max_examples=80, deadline=None)
def test_every_class_is_on_both_sides_in_proportion(labels, share, seed):
    known = torch.tensor(labels)
    aside = held_out(known, share, seed)
    assert torch.equal(aside, held_out(known, share, seed))
    for name in set(labels):
        size = labels.count(name)
        taken = int(aside[known == name].sum())
        expected = 0 if size == 1 else min(max(round(share * size), 1), size - 1)
        assert taken == expected


def test_another_seed_is_another_draw():
    known = torch.arange(1000) % 4
    first, second = (held_out(known, 0.2, seed) for seed in (0, 1))
    assert first.sum() == second.sum() == 200
    assert 20 < int((first & second).sum()) < 60, "40 expected of independent draws"
