"""Steps and scores that fit into a time."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ilk.train import Settings
from ilk.train.length import Length
from ilk.train.planning.guarding import seconds_of, spaced, within
from ilk.train.planning.timing import SCORES_SHARE, Timing

seconds = st.floats(1e-3, 1.0)


@given(
    left=st.floats(20, 5000), step=seconds, score=st.just(0.0) | st.floats(1e-2, 20),
    look=st.floats(0, 0.1), per_epoch=st.floats(1, 2000),
    every=st.none() | st.sampled_from([0, 0.5, 1, 7]),
)  # fmt: skip
def test_what_fits_takes_no_longer_and_little_less(left, step, score, look, per_epoch, every):
    timing = Timing(step=step, score=score, look=look, steps_per_epoch=per_epoch)
    steps, chosen = timing.fitting(left, every)
    scores = 0 if not score or every == 0 else Length(steps, per_epoch).scores(chosen)
    if steps > 1:
        assert timing.seconds(steps, scores) <= left + 2 * (step + look) + score
    rest = 2 * step + 202 * look + 2 * score + (SCORES_SHARE * left if score else 0)
    more = timing.seconds(steps + 1, scores)
    assert more + rest > left


def test_scores_take_a_tenth_of_the_time_at_most():
    timing = Timing(step=0.1, score=3.0, look=0.0, steps_per_epoch=10)
    steps, every = timing.fitting(60, None)
    assert steps == 510  # two scores have room, and one at the end
    assert every == 25.5
    assert timing.fitting(60, 0) == (600, 0)
    assert timing.fitting(6000, None) == (59370, None)
    assert timing.fitting(1, None)[0] == 1


def test_a_guard_looks_twenty_times_or_for_a_tenth_of_the_time():
    timing = Timing(step=0.1, score=0.0, look=0.0, steps_per_epoch=10, guard=3.0)
    begun = Settings(weights="x", batch_size=8)
    short, long = Length(300, 10), Length(10_000, 10)
    assert spaced(begun, long, timing) == (begun, 21)
    changed, looks = spaced(begun, short, timing)
    assert (changed.guard_every, looks) == (300 / 4 / 10, 5)
    assert spaced(changed, short, timing) == (changed, 5)
    assert spaced(replace(begun, guard="off"), long, timing)[1] == 2
    assert spaced(Settings(), long, replace(timing, guard=0.0))[1] == 0
    assert seconds_of(begun, long, timing) == pytest.approx(1000 + 21 * 3)
    steps, every = within(begun, timing, 600)
    assert (steps, every) == (5400 - 5 * 6, None)
    left = seconds_of(begun, Length(steps, 10), timing)
    assert 540 < left <= 600


def test_where_the_guard_scores_online_scores_are_not_made_again():
    timing = Timing(step=0.1, score=3.0, look=0.0, steps_per_epoch=10, guard=3.0)
    begun = Settings(weights="x", batch_size=8)
    assert seconds_of(begun, Length(10_000, 10), timing) == pytest.approx(1000 + 21 * 3)
    often = replace(begun, knn_every=10.0)
    found = seconds_of(often, Length(10_000, 10), timing)
    assert found == pytest.approx(1000 + 21 * 3 + 101 * 3)
