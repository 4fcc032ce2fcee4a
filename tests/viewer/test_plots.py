import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ilk.viewer import Figure, Line, ScoreRow
from ilk.viewer.plots import CROWDED, NAME, curves, intervals, sample
from ilk.viewer.ticks import label, ticks
from tests.viewer.conftest import score
from tests.viewer.reading import kind

numbers = st.floats(-1e6, 1e6)


@given(low=numbers, span=st.floats(0, 1e6), wanted=st.integers(2, 8))
def test_ticks_are_round_and_span_the_range(low, span, wanted):
    span = 0.0 if span < 1e-3 * abs(low) else span  # else digits run out
    found = ticks(low, low + span, wanted)
    step = found[1] - found[0]
    assert found[0] <= low + 1e-6 * step
    assert found[-1] >= low + span - 1e-6 * step
    np.testing.assert_allclose(np.diff(found), step, rtol=1e-6)
    if span == 0:
        assert found[-1] > found[0]
        return
    assert 2 <= len(found) <= 2 * wanted + 3
    mantissa = step / 10 ** np.floor(np.log10(step) + 1e-9)
    assert min(abs(mantissa - m) for m in (1, 2, 5, 10)) < 1e-6


def test_tick_labels_have_no_noise():
    assert [label(t) for t in ticks(0, 0.3, 3)] == ["0", "0.1", "0.2", "0.3"]


def _points(line) -> np.ndarray:
    return np.array([pair.split(",") for pair in line.get("points").split()], float)


@pytest.mark.parametrize("count", [1, 2, 50, CROWDED + 100])
def test_a_curve_holds_every_point_in_its_place(count):
    rng = np.random.default_rng(count)
    xs, ys = np.arange(count) / 3, rng.normal(size=count)
    data = tuple(zip(xs.tolist(), ys.tolist(), strict=True))
    drawn = kind(
        curves(Figure(title="t", lines=(Line(name="n", points=data),))), "polyline", "curve"
    )
    assert len(drawn) == (2 if count > CROWDED else 1)
    place = _points(drawn[0])
    assert len(place) == count
    assert place[:, 0].min() >= 0
    assert place[:, 0].max() <= 340
    if count > 2:  # places are an affine map of the numbers, y upside down
        for axis, values, sign in ((0, xs, 1), (1, ys, -1)):
            slope, start = np.polyfit(values, place[:, axis], 1)
            np.testing.assert_allclose(slope * values + start, place[:, axis], atol=0.02)
            assert slope * sign > 0


def test_the_strong_line_is_the_running_mean():
    ys = np.random.default_rng(0).normal(size=400)
    data = tuple((float(i), float(y)) for i, y in enumerate(ys))
    plot = curves(Figure(title="t", lines=(Line(name="", points=data),)))
    faint, strong = (_points(line)[:, 1] for line in kind(plot, "polyline", "curve"))
    half = 400 // 80
    slow = [faint[max(i - half, 0) : i + half + 1].mean() for i in range(400)]
    np.testing.assert_allclose(strong, slow, atol=0.02)


def test_intervals_are_where_the_numbers_say():
    rows = [
        ScoreRow(name=f"r{i}", scores=(score(v), score(1 - v)))
        for i, v in enumerate((0.2, 0.5))
    ]
    plot = intervals("accuracy", rows, 1, 0.1)
    place = lambda share: 14 + share * (340 - 28)  # noqa: E731
    dots = [float(dot.get("cx")) for dot in plot.iter("circle")]
    np.testing.assert_allclose(dots, [place(0.8), place(0.5)], atol=0.01)
    spans = [(float(s.get("x1")), float(s.get("x2"))) for s in kind(plot, "line", "span")]
    np.testing.assert_allclose(
        spans, [(place(0.78), place(0.83)), (place(0.48), place(0.53))], atol=0.01
    )
    (chance,) = kind(plot, "line", "chance")
    assert float(chance.get("x1")) == pytest.approx(place(0.1), abs=0.01)
    assert "r0 80.0" in plot.get("aria-label")


def test_a_band_and_its_curve_lie_on_a_logarithmic_axis():
    points, band = (
        ((10.0, 0.5), (100.0, 0.6), (1000.0, 1.0)),
        ((0.4, 0.6), (0.5, 0.7), (0.9, 1)),
    )
    line = Line(name="n", points=points, band=band)
    plot = curves(Figure(title="t", lines=(line,), across="logarithmic"))
    (curve,) = kind(plot, "polyline", "curve")
    xs = [float(pair.split(",")[0]) for pair in curve.get("points").split()]
    assert xs[1] - xs[0] == pytest.approx(xs[2] - xs[1], abs=0.02)
    (drawn,) = kind(plot, "polygon", "band")
    corners = [tuple(map(float, pair.split(","))) for pair in drawn.get("points").split()]
    assert [x for x, _ in corners] == xs + xs[::-1]
    assert all(
        low > high for (_, low), (_, high) in zip(corners[:3], corners[:2:-1], strict=True)
    )
    told = [e.text for e in plot.iter("text")]
    assert {"10", "100", "1000"} <= set(told)


def test_who_was_not_measured_is_not_drawn():
    rows = [ScoreRow(name="a", scores=(None,)), ScoreRow(name="b", scores=(score(0.5),))]
    plot = intervals("accuracy", rows, 0, None)
    assert [e.text for e in kind(plot, "text", "name")] == ["b"]


def test_sixteen_curves_differ_by_colour_or_dashes():
    looks = [next(sample(number).iter("line")).get("class") for number in range(16)]
    assert len(set(looks)) == 16
    for one, other in itertools.pairwise(looks):
        assert not set(one.split()[1:]) & set(other.split()[1:])
    lines = tuple(Line(name=str(n), points=((0.0, n), (1.0, n))) for n in range(5))
    plot = curves(Figure(title="t", lines=lines))
    assert [line.get("class") for line in kind(plot, "polyline", "curve")] == looks[:5]


def test_axes_have_names():
    lines = (Line(name="", points=((0.0, 1.0),)),)
    plot = curves(Figure(title="t", lines=lines, x="labelled images", y="accuracy"))
    assert [e.text for e in kind(plot, "text", "axis")] == ["labelled images", "accuracy"]
    bars = intervals("k-NN", [ScoreRow(name="b", scores=(score(0.5),))], 0, None)
    assert [e.text for e in kind(bars, "text", "axis")] == ["accuracy"]


def test_long_names_leave_room_for_the_value_and_are_said_in_full():
    name = "runs/compare/a-method-with-a-long-name/seed0 (interrupted at step 20 of 50)"
    plot = intervals("k-NN", [ScoreRow(name=name, scores=(score(0.5),))], 0, None)
    (drawn,) = kind(plot, "text", "name")
    assert len(drawn.text) == NAME
    assert drawn.text.startswith("runs/compare")
    assert drawn.text.endswith("at step 20 of 50)")
    assert name in plot.get("aria-label")
    assert any(name in (e.text or "") for e in plot.iter("title"))
