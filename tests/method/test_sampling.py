"""Batches drawn by facts of items: laws that hold for any data, seed and step."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ilk.core import UserError
from ilk.core.facts import Fact
from ilk.method import Grouped, KnownShare, Sampling, labelled_share, largest
from tests.laws.world import small_method

SEEDS = st.integers(0, 2**40)
STEPS = st.integers(0, 10**7)


def known(values) -> Fact:
    values = np.asarray(values, np.int32)
    return Fact(tuple(f"v{value}" for value in range(values.max(initial=0) + 1)), values)


@st.composite
def groups(draw, smallest: int) -> np.ndarray:
    """Values of a fact with gaps in their numbers, some unknown, in any order."""
    sizes = draw(st.lists(st.integers(smallest, smallest + 9), min_size=2, max_size=7))
    numbers = draw(st.permutations(range(len(sizes) + 3)))[: len(sizes)]
    values = np.concatenate([np.repeat(numbers, sizes), np.full(draw(st.integers(0, 5)), -1)])
    return np.random.default_rng(draw(st.integers(0, 99))).permutation(values)


@given(
    seed=SEEDS, step=STEPS, share=st.floats(0.05, 0.95), ranks=st.sampled_from([1, 2, 4]),
    own=st.integers(3, 9), labelled=st.integers(40, 60), others=st.integers(40, 60),
)  # fmt: skip
@settings(max_examples=60, deadline=None)
def test_a_share_is_known(seed, step, share, ranks, own, labelled, others) -> None:
    batch = own * ranks
    count = round(share * batch)
    values = np.random.default_rng(0).permutation([0] * labelled + [-1] * others)
    if not 0 < count < batch:
        with pytest.raises(UserError, match=r"batch_size: must be \d+ at least in each pass"):
            KnownShare(share=share).draw(known(values), batch=batch, seed=seed)
        return
    items = KnownShare(share=share).draw(known(values), batch=batch, seed=seed)(step)
    assert len(set(items.tolist())) == batch
    assert (values[items] >= 0).sum() == count
    each = (values[items.reshape(ranks, own)] >= 0).sum(axis=1)
    assert each.max() - each.min() <= 1


@given(share=st.floats(0.02, 0.98), labelled=st.integers(1, 60), others=st.integers(1, 60))
@settings(max_examples=200, deadline=None)
def test_the_largest_batch_can_be_drawn_and_one_more_cannot(share, labelled, others) -> None:
    rule, fact = KnownShare(share=share), known([0] * labelled + [-1] * others)

    def drawn(batch: int) -> bool:
        try:
            items = rule.draw(fact, batch=batch, seed=0)(3)
        except UserError:
            return False
        return len(set(items.tolist())) == batch

    batch = largest(rule, labelled, labelled + others)
    assert not drawn(batch + 1)
    assert drawn(batch) or not any(drawn(smaller) for smaller in range(1, batch))


def test_shares_of_ranks_are_exact_where_they_are_whole() -> None:
    values = np.arange(96) % 3 - 1
    draw = KnownShare(share=0.25).draw(known(values), batch=32, seed=1)
    for step in range(5):
        assert ((values[draw(step).reshape(4, 8)] >= 0).sum(axis=1) == 2).all()


@given(
    seed=SEEDS, step=STEPS, values=groups(8), count=st.integers(1, 2), extra=st.integers(0, 6)
)
@settings(max_examples=60, deadline=None)
def test_some_values_are_in_each_batch(seed, step, values, count, extra) -> None:
    batch = 8 * count - (extra if count > 1 else 0)
    items = Grouped(fact="domain", groups=count).draw(known(values), batch=batch, seed=seed)(
        step
    )
    assert len(set(items.tolist())) == batch
    sizes = Counter(values[items].tolist())
    assert len(sizes) == count
    assert -1 not in sizes
    assert max(sizes.values()) - min(sizes.values()) <= 1


@given(seed=SEEDS, step=STEPS, values=groups(3), each=st.integers(1, 3))
@settings(max_examples=60, deadline=None)
def test_several_clips_of_a_video_lie_side_by_side(seed, step, values, each) -> None:
    batch = each * 2
    items = Grouped(fact="video", each=each).draw(known(values), batch=batch, seed=seed)(step)
    assert len(set(items.tolist())) == batch
    videos = values[items].reshape(2, each)
    assert (videos == videos[:, :1]).all()
    assert videos[0, 0] != videos[1, 0]


@given(seed=SEEDS, step=STEPS, values=groups(6))
@settings(max_examples=40, deadline=None)
def test_classes_are_balanced(seed, step, values) -> None:
    classes = len(set(values.tolist()) - {-1})
    balanced = Grouped(fact="label")
    items = balanced.draw(known(values), batch=4 * classes, seed=seed)(step)
    assert set(Counter(values[items].tolist()).values()) == {4}
    few = balanced.draw(known(values), batch=2, seed=seed)(step)  # fewer than classes
    assert len(set(values[few].tolist())) == 2


RULES: list[Sampling] = [
    KnownShare(share=0.3, fact="domain"), Grouped(fact="domain", groups=1),
    Grouped(fact="domain", groups=3), Grouped(fact="domain"), Grouped(fact="domain", each=2),
]  # fmt: skip
DOMAINS = np.random.default_rng(3).permutation(np.arange(2400) % 8 - 1)


@pytest.mark.parametrize("rule", RULES, ids=str)
def test_a_step_is_the_same_whatever_came_before(rule) -> None:
    draw = rule.draw(known(DOMAINS), batch=12, seed=5)
    every = [draw(step) for step in range(300)]
    again = rule.draw(known(DOMAINS), batch=12, seed=5)
    for step in (299, 0, 123, 124, 7):
        assert np.array_equal(again(step), every[step])
    other = rule.draw(known(DOMAINS), batch=12, seed=6)
    assert not all(np.array_equal(other(step), every[step]) for step in range(5))


def test_few_known_items_all_come_in_every_batch() -> None:
    values = np.array([3] * 5 + [-1] * 40)
    draw = KnownShare(share=0.5).draw(known(values), batch=16, seed=0)
    for step in range(4):
        items = draw(step)
        assert sorted(items[values[items] >= 0].tolist()) == [0, 1, 2, 3, 4]
        assert len(set(items.tolist())) == 16


def test_of_a_share_of_one_nothing_else_comes() -> None:
    values = np.array([3] * 6 + [-1] * 40)
    draw = KnownShare(share=1.0).draw(known(values), batch=3, seed=0)
    seen = np.concatenate([draw(step) for step in range(2)])
    assert sorted(seen.tolist()) == [0, 1, 2, 3, 4, 5]


def test_all_items_come_alike_often() -> None:
    """Each kind is gone through whole before one of its items comes again."""
    values = np.array([0] * 12 + [-1] * 36)
    draw = KnownShare(share=0.25).draw(known(values), batch=16, seed=0)
    for begin in (0, 3, 30):  # 12 known in fours, 36 others in twelves
        seen = np.concatenate([draw(step) for step in range(begin, begin + 3)])
        assert sorted(seen) == list(range(48))


def test_domains_take_turns_and_their_items_too() -> None:
    values = np.array([0] * 8 + [1] * 16 + [2] * 8)
    draw = Grouped(fact="domain", groups=1).draw(known(values), batch=8, seed=0)
    every = [draw(step) for step in range(12)]
    for begin in range(0, 12, 3):
        assert sorted(values[items[0]] for items in every[begin : begin + 3]) == [0, 1, 2]
    second = [items for items in every if values[items[0]] == 1]
    for begin in (0, 2):  # two visits go through its sixteen items
        assert sorted(np.concatenate(second[begin : begin + 2])) == list(range(8, 24))


def test_orders_are_kept_for_many_items_and_change_nothing() -> None:
    values = np.concatenate([np.zeros(3000), np.full(500, -1)]).astype(np.int32)
    draw = KnownShare(share=0.5).draw(known(values), batch=100, seed=0)
    seen = np.concatenate([draw(step)[values[draw(step)] >= 0] for step in range(60)])
    assert sorted(seen) == list(range(3000))
    assert np.array_equal(
        draw(7), KnownShare(share=0.5).draw(known(values), batch=100, seed=0)(7)
    )


@pytest.mark.parametrize(
    ("rule", "values", "batch", "message"),
    [
        (
            KnownShare(share=0.5), [0, 1, -1, -1, -1, -1], 8,
            "of 6 images, of which 2 have a known label, a batch must have 6 at most",
        ),
        (
            KnownShare(share=1.0), [0, 1, -1, -1, -1, -1], 3,
            "of which 2 have a known label, a batch must have 2 at most in each pass",
        ),
        (KnownShare(share=0.5), [0] * 9, 8, "a known label and others none, got 9 and 0"),
        (KnownShare(share=0.01), [0, -1], 8, "must be 51 at least in each pass"),
        (KnownShare(share=0.9), [0, 0, -1], 2, "must be 5 at least in each pass"),
        (
            Grouped(fact="domain", groups=2), [0] * 9 + [1] * 3, 8,
            r"must have 4 items of each domain, got 3 of 'v1' \(too few of 1 in 2\)",
        ),
        (Grouped(fact="domain", groups=3), [0] * 9 + [2] * 9, 6, "3 values of domain, got 2"),
        (Grouped(fact="video", each=3), [0] * 9, 8, "divide by 3 items of each video, got 8"),
        (Grouped(fact="video", each=2), [0] * 9, 8, "4 values of video, got 1 in the data"),
        (Grouped(fact="domain", groups=9), [0] * 9, 8, "each of 9 values of domain, got 8"),
        (Grouped(fact="label"), [-1, -1], 2, "1 values of label, got 0 in the data"),
    ],
)  # fmt: skip
def test_too_few_items_of_a_kind_is_one_line(rule, values, batch, message) -> None:
    with pytest.raises(UserError, match=message) as caught:
        rule.draw(known(values), batch=batch, seed=0)
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith(("sampling: ", "batch_size: "))


@pytest.mark.parametrize("method", ["fixmatch", "mixmatch", "noisy-student", "s4l-moam"])
def test_what_can_be_no_share_is_one_line(method) -> None:
    for ratio in (-1, -3.0):
        with pytest.raises(UserError, match=f"{method}: ratio must be at least 0, got {ratio}"):
            small_method(method, ratio=ratio)
    with pytest.raises(UserError, match="label is known must be above 0 and at most 1, got 0"):
        KnownShare(share=0.0)
    with pytest.raises(UserError, match="ratio: must be 0 or more unlabelled images"):
        labelled_share(-1)
    assert [labelled_share(ratio) for ratio in (0, 1, 3)] == [1, 0.5, 0.25]


@pytest.mark.parametrize(
    "method", ["fixmatch", "flexmatch", "uda", "pseudo-label", "noisy-student"]
)
@pytest.mark.parametrize("wrong", [1.5, -0.1])
def test_a_threshold_is_a_probability(method, wrong) -> None:
    with pytest.raises(UserError, match=rf"threshold must be in \[0, 1\], got {wrong}"):
        small_method(method, threshold=wrong)


@pytest.mark.parametrize("wrong", [{"groups": 2, "each": 2}, {"groups": 0}, {"each": -1}])
def test_settings_that_say_nothing_are_refused(wrong) -> None:
    with pytest.raises(ValueError, match="Grouped: "):
        Grouped(fact="domain", **wrong)
