from dataclasses import replace

import numpy as np
import pytest

from ilk.core import UserError
from ilk.evaluate import bootstrap, compare, evaluate


@pytest.mark.parametrize("kind", ["right or wrong", "graded"])
def test_intervals_of_paired_differences_cover_at_the_stated_rate(kind):
    """300 test sets drawn from known chances; the true difference must be in 95 % of them."""
    rng = np.random.default_rng(0)
    covered, trials = 0, 300
    for seed in range(trials):
        hard = rng.random(100)  # what is hard for one is hard for the other
        if kind == "graded":
            ours, theirs = hard + rng.normal(0, 0.2, (2, 100))
            ours, true = ours + 0.03, 0.03
        else:
            ours, theirs = (rng.random(100) < hard * share for share in (0.9, 0.7))
            true = 0.1  # half of 0.9 less half of 0.7
        low, high = bootstrap(ours.astype(float) - theirs, seed, (-1.0, 1.0))
        covered += low <= true <= high
    assert 0.91 < covered / trials < 0.985, "three standard errors around 0.95"


def test_the_bootstrap_agrees_with_drawing_items_one_by_one():
    rng = np.random.default_rng(1)
    values, ends = np.round(rng.uniform(-1, 1, size=60), 1), (-1.0, 1.0)
    more = np.append(values, ends)
    drawn = more[rng.integers(0, 62, (20_000, 62))].mean(1)
    expected = np.quantile(drawn, [0.025, 0.975])
    np.testing.assert_allclose(bootstrap(values, 3, ends), expected, atol=0.02)
    assert (
        bootstrap(values, 3, ends) == bootstrap(values, 3, ends) != bootstrap(values, 4, ends)
    )


def test_verdicts_in_words(pair):
    train, test = pair(signal=1.0, n_test=300)
    blind = [replace(part, vectors=part.vectors[:, :2].copy()) for part in (train, test)]
    ours, theirs = evaluate(train, test, ["knn"]), evaluate(*blind, ["knn"])
    (found,) = compare(ours, theirs, "blind")
    assert found.difference == pytest.approx(ours[0].value - theirs[0].value)
    assert found.interval[0] < found.difference < found.interval[1]
    low, high = (100 * end for end in found.interval)
    points = f"{100 * found.difference:.1f}"
    assert found.verdict == f"better by {points} points, interval {low:.1f} to {high:.1f}"
    (mirrored,) = compare(theirs, ours, "seeing")
    assert mirrored.verdict.startswith(f"worse by {points} points, interval ")
    (same,) = compare(ours, ours, "itself")
    assert same.verdict == "no difference that this test set can show, interval -1.0 to 1.0"


def test_pairing_narrows_the_interval(pair):
    train, test = pair(signal=0.7)
    ours = evaluate(train, test, ["knn"])
    rng = np.random.default_rng(0)
    nudged = [
        replace(p, vectors=p.vectors + rng.normal(0, 0.02, p.vectors.shape).astype(np.float32))
        for p in (train, test)
    ]
    (found,) = compare(ours, evaluate(*nudged, ["knn"]), "nudged")
    low, high = ours[0].interval
    assert found.interval[1] - found.interval[0] < (high - low) / 2


def test_other_test_items_are_not_compared(pair):
    train, test = pair()
    ours = evaluate(train, test, ["knn"])
    with pytest.raises(UserError, match="same test items"):
        compare(ours, [replace(ours[0], test_data="other")], "x")
    assert not compare(ours, [replace(ours[0], scores=None)], "x")
    assert not compare(ours, [replace(ours[0], protocol="linear@1")], "x")
