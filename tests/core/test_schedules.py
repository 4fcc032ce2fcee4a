import math

import hypothesis.strategies as st
import pytest
from hypothesis import given

from ilk.core import (
    Cosine,
    CyclicCosine,
    Line,
    MeanMomentum,
    Progress,
    Ramp,
    SigmoidRamp,
    SignalAnnealing,
    StepRamp,
    WarmCosine,
    WarmMomentum,
    value,
)

runs = st.tuples(st.integers(0, 500), st.integers(1, 400), st.floats(0.5, 50))


@given(runs, st.floats(-2, 2), st.floats(-2, 2), st.floats(0, 30))
def test_schedules_start_end_and_stay_between(run, start, end, epochs):
    progress = Progress(*run)
    low, high = min(start, end) - 1e-9, max(start, end) + 1e-9
    for schedule in (Cosine(start, end), Ramp(start, end, epochs)):
        assert low <= schedule(progress) <= high
    assert Cosine(start, end)(Progress(0, *run[1:])) == pytest.approx(start)
    assert Cosine(start, end)(Progress(run[1], *run[1:])) == pytest.approx(end)
    assert 0 <= WarmCosine(1.0, epochs)(progress) <= 1 + 1e-9


def test_a_ramp_is_linear_and_then_constant():
    ramp = Ramp(1.0, 3.0, 4)
    found = [ramp(Progress(step, 100, 2.0)) for step in (0, 2, 4, 8, 50)]
    assert found == [1.0, 1.5, 2.0, 3.0, 3.0]
    assert Ramp(1.0, 3.0, 0)(Progress(0, 10, 1.0)) == 3.0


def test_a_ramp_of_steps_does_not_ask_how_long_an_epoch_is():
    ramp = StepRamp(1.0, 3.0, 8)
    for per_epoch in (0.5, 2.0, 50.0):
        found = [ramp(Progress(step, 100, per_epoch)) for step in (0, 2, 4, 8, 50)]
        assert found == [1.0, 1.5, 2.0, 3.0, 3.0]
    assert StepRamp(1.0, 3.0, 0)(Progress(0, 10, 1.0)) == 3.0


def test_a_line_takes_the_whole_run_or_a_share_of_it():
    for share, wanted in ((1.0, [0, 10, 20, 49.5]), (0.4, [0, 25, 50, 50]), (0.0, [50] * 4)):
        line = Line(0.0, 50.0, share)
        assert [line(Progress(step, 100, 7.0)) for step in (0, 20, 40, 99)] == wanted


def test_warm_up_is_linear_and_the_rest_half_a_cosine():
    schedule = WarmCosine(2.0, 5, end=1.0)
    found = [schedule(Progress(step, 150, 10.0)) for step in (0, 25, 50, 75, 100, 150)]
    quarter = 1 + 0.5 * (1 + math.cos(math.pi / 4))
    assert found == pytest.approx([0.0, 1.0, 2.0, quarter, 1.5, 1.0])
    assert schedule(Progress(400, 150, 10.0)) == pytest.approx(1.0)


def test_a_run_shorter_than_its_warm_up_still_ends_at_the_peak():
    schedule = WarmCosine(2.0, 50)
    assert schedule(Progress(5, 10, 1.0)) == 1.0
    assert schedule(Progress(10, 10, 1.0)) == 2.0


def test_plain_numbers_are_schedules_too():
    assert value(3, Progress(1, 2, 1.0)) == 3
    assert value(Cosine(1.0, 0.0), Progress(1, 2, 1.0)) == pytest.approx(0.5)


def test_a_second_schedule_goes_by_its_own_steps_and_epochs_by_all():
    """A run of 100 steps, 10 an epoch, that is lengthened to 200."""

    def at(schedule):
        return [schedule(Progress(step, 200, 10.0, since=100)) for step in (100, 150, 200)]

    assert at(Cosine(0.9, 1.0)) == pytest.approx([0.9, 0.95, 1.0])
    assert at(Line(2.0, 4.0)) == pytest.approx([2.0, 3.0, 4.0])
    assert at(Ramp(2.0, 4.0, 5.0)) == [4.0, 4.0, 4.0]
    assert at(Ramp(2.0, 4.0, 20.0)) == pytest.approx([3.0, 3.5, 4.0])
    assert [Progress(step, 200, 10.0, since=100).epoch for step in (100, 155)] == [10, 15.5]


@pytest.mark.parametrize("epochs", [1.0, 30.0])
def test_a_second_warm_up_takes_a_tenth_at_most(epochs):
    schedule = WarmCosine(2.0, epochs, 0.5)
    steps = (100, 105, 110, 155, 200)
    found = [schedule(Progress(step, 200, 10.0, since=100)) for step in steps]
    assert found == pytest.approx([0.0, 1.0, 2.0, 1.25, 0.5])


def test_a_second_warm_up_is_no_longer_than_the_first():
    schedule = WarmCosine(2.0, 0.5)
    found = [schedule(Progress(step, 200, 10.0, since=100)) for step in (100, 102, 105)]
    assert found == pytest.approx([0.0, 0.8, 2.0])


def test_the_sigmoid_ramp_of_the_paper():
    ramp = SigmoidRamp(1.0, 80.0)
    found = [ramp(Progress(epoch, 300, 1.0)) for epoch in (0, 20, 40, 60, 80, 299)]
    expected = [0.006738, 0.060055, 0.286505, 0.731616, 1.0, 1.0]
    assert found == pytest.approx(expected, abs=1e-6)
    late = SigmoidRamp(30.0, 80.0, zero_epochs=1.0)
    assert [late(Progress(step, 600, 2.0)) for step in (0, 1)] == [0, 0]
    assert late(Progress(2, 600, 2.0)) == pytest.approx(30 * math.exp(-5 * (1 - 1 / 80) ** 2))
    assert SigmoidRamp(2.0, 0.0)(Progress(0, 1, 1.0)) == 2.0


def test_a_warm_average_is_a_plain_mean_at_first():
    momentum, average = WarmMomentum(0.9), 1.0
    for step, weight in enumerate((2.0, 3.0, 4.0)):
        kept = momentum(Progress(step, 100, 1.0))
        average = kept * average + (1 - kept) * weight
    assert average == pytest.approx(2.5)
    assert [momentum(Progress(step, 100, 1.0)) for step in (0, 1, 2)] == pytest.approx(
        [1 / 2, 2 / 3, 3 / 4]
    )
    assert momentum(Progress(99, 100, 1.0)) == 0.9


def test_an_average_that_catches_up_is_tensorflows_and_with_nothing_the_papers():
    """``tf.train.ExponentialMovingAverage``: min(decay, (1 + n) / (10 + n)), from n = 0."""
    for n in (0, 1, 7, 500, 9_999):
        progress = Progress(n, 10_000, 10.0)
        expected = min(0.99, (1 + n) / (10 + n))
        assert WarmMomentum(0.99, 9)(progress) == pytest.approx(expected, rel=1e-12)
        assert WarmMomentum(0.999, 0.0)(progress) == 0.999


@pytest.mark.parametrize("per_epoch", [1.0, 4.0])
def test_the_mean_of_weights_at_the_ends_of_some_epochs(per_epoch):
    momentum, average, taken = MeanMomentum(3, 2), None, []
    for step in range(int(10 * per_epoch)):
        weight = float(step**2)
        kept = momentum(Progress(step, 999, per_epoch))
        average = weight if average is None else kept * average + (1 - kept) * weight
        over = (step + 1) / per_epoch
        if over < 3:
            assert average == weight  # it follows
        elif (over - 3) % 2 == 0:
            taken.append(weight)
        if taken:
            assert average == pytest.approx(sum(taken) / len(taken))
    assert len(taken) == 4


def test_the_cyclic_cosine_of_the_paper():
    schedule = CyclicCosine(180, 30)
    found = [0.1 * schedule(Progress(e, 1200, 1.0)) for e in (0, 90, 150, 179, 180, 209, 210)]
    expected = [0.1, 0.061126, 0.018826, 0.005281, 0.018826, 0.005281, 0.018826]
    assert found == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize(
    ("curve", "expected"),
    [
        ("linear", [0.1, 0.325, 0.55, 0.775, 1.0]),
        ("exp", [0.106064, 0.121166, 0.173876, 0.357854, 1.0]),
        ("log", [0.1, 0.742146, 0.926124, 0.978834, 0.993936]),
        ("none", [1.0] * 5),
    ],
)
def test_what_is_taught_grows_from_chance_to_certainty(curve, expected):
    """Xie et al., section 2.3, with ten classes at quarters of a run."""
    annealing = SignalAnnealing(curve, 10)
    found = [annealing(Progress(step, 400, 7.0)) for step in (0, 100, 200, 300, 400)]
    assert found == pytest.approx(expected, abs=5e-7)
