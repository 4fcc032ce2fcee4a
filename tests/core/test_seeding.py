"""Uniforms are pure, uniform, and independent along every axis they are keyed by."""

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given
from scipy import stats

from ilk.core.seeding import integer, permutation, stream, uniform, uniforms

words = st.integers(-(2**40), 2**64)


@given(
    words, words, st.lists(st.integers(0, 2**40), min_size=1, max_size=9), st.text(max_size=8)
)
def test_a_row_depends_on_its_own_item_alone(seed, epoch, items, name):
    items = np.array(items)
    together = uniforms(seed, epoch, items, name, 5)
    assert ((together >= 0) & (together < 1)).all()
    for row, item in zip(together, items, strict=True):
        assert (row == uniforms(seed, epoch, np.array([item]), name, 5)[0]).all()
    assert (together[:, :3] == uniforms(seed, epoch, items, name, 3)).all()
    assert uniform(seed, epoch, name) == uniforms(seed, epoch, np.zeros(1, int), name, 1)[0, 0]


def test_nothing_global_matters():
    items = np.arange(10)
    np.random.seed(0)
    first = uniforms(1, 2, items, "a", 3)
    np.random.seed(9)
    assert (first == uniforms(1, 2, items, "a", 3)).all()


def test_numbers_never_change():
    """A canary: other numbers would break resuming runs of older versions."""
    found = uniforms(7, 3, np.array([0, 11]), "view/a", 2)
    assert stream("view/a") == 4370989265485397006
    assert found.tolist() == [
        [0.8302641498820067, 0.07113343523877147],
        [0.8773324740100618, 0.401976837820878],
    ]
    assert permutation(7, 3, 5).tolist() == [3, 0, 4, 1, 2]


@pytest.mark.parametrize("axis", ["items", "draws", "epochs", "seeds", "names"])
def test_uniform_along_every_axis_and_uncorrelated_with_the_next(axis):
    count = 20_000 if axis in {"items", "draws"} else 2_000
    at = np.array([5])
    along = {
        "items": lambda: uniforms(1, 1, np.arange(count), "a", 1)[:, 0],
        "draws": lambda: uniforms(1, 1, at, "a", count)[0],
        "epochs": lambda: [uniforms(1, e, at, "a", 1)[0, 0] for e in range(count)],
        "seeds": lambda: [uniforms(s, 1, at, "a", 1)[0, 0] for s in range(count)],
        "names": lambda: [uniforms(1, 1, at, f"n{i}", 1)[0, 0] for i in range(count)],
    }
    found = np.array(along[axis]())
    assert stats.kstest(found, "uniform").pvalue > 1e-3
    for lag in (1, 2, 7):
        # The correlation of independent numbers has standard deviation 1 / sqrt(count).
        assert abs(np.corrcoef(found[:-lag], found[lag:])[0, 1]) < 4.5 / np.sqrt(count)
    lowest_bits = (found * 2**53).astype(np.int64) & 0xFF
    assert stats.chisquare(np.bincount(lowest_bits, minlength=256)).pvalue > 1e-3


def test_streams_epochs_and_seeds_do_not_repeat_each_other():
    items = np.arange(5_000)
    base = uniforms(0, 0, items, "a", 1)[:, 0]
    for other in (
        uniforms(1, 0, items, "a", 1),
        uniforms(0, 1, items, "a", 1),
        uniforms(0, 0, items, "b", 1),
        uniforms(0, 0, items + 5_000, "a", 1),
        uniforms(0, 0, items, "a", 2)[:, 1:],
        uniforms(1, -1, items, "a", 1),
    ):
        assert not np.intersect1d(base, other[:, 0]).size
        assert abs(np.corrcoef(base, other[:, 0])[0, 1]) < 4.5 / np.sqrt(len(items))


@given(st.integers(-(2**63), 2**64 - 1), st.integers(0, 1000), st.integers(0, 50))
def test_permutations_hold_every_item_once(seed, epoch, size):
    order = permutation(seed, epoch, size)
    assert sorted(order.tolist()) == list(range(size))
    assert (order == permutation(seed, epoch, size)).all()


def test_every_order_is_as_likely():
    counts = {}
    for epoch in range(3000):
        order = tuple(permutation(0, epoch, 3).tolist())
        counts[order] = counts.get(order, 0) + 1
    assert len(counts) == 6
    assert stats.chisquare(list(counts.values())).pvalue > 1e-3


def test_integers_fit_other_generators():
    drawn = [integer(0, step, "x") for step in range(200)]
    assert len(set(drawn)) == 200
    assert all(0 <= number < 2**53 for number in drawn)
