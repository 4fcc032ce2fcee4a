"""Steps and scores that fit into a time."""

from hypothesis import given
from hypothesis import strategies as st

from ilk.train.length import Length
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
