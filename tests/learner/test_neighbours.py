"""Names and answers of scikit-learn's own estimator, by cosine."""

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.neighbors import NearestNeighbors as Reference

from ilk import NearestNeighbors
from ilk.core import UserError
from ilk.learner import NotFitted
from tests.search.conftest import save_table

ROWS = np.random.default_rng(0).normal(size=(60, 5))
ASKED = np.random.default_rng(1).normal(size=(7, 5))


@pytest.fixture(params=["array", "index"])
def pair(request, tmp_path):
    """Ours and the reference, over the same vectors."""
    known = ROWS
    if request.param == "index":
        from ilk.search import build_index

        table = save_table(tmp_path / "t", ROWS.astype(np.float32))
        index = build_index(table, tmp_path / "i")
        known, given = index.vectors[:].astype(np.float64), str(tmp_path / "i")
    ours = NearestNeighbors(n_neighbors=4, radius=0.4).fit(
        ROWS if request.param == "array" else given
    )
    return ours, Reference(n_neighbors=4, radius=0.4, metric="cosine", algorithm="brute").fit(
        known
    )


@pytest.mark.parametrize("asked", [ASKED, ASKED.tolist(), None])
def test_the_nearest_are_those_of_the_reference(pair, asked):
    ours, reference = pair
    for k in (None, 1, 20):
        distances, rows = ours.kneighbors(asked, k)
        wanted, true = reference.kneighbors(asked, k)
        assert rows.tolist() == true.tolist()
        np.testing.assert_allclose(distances, wanted, atol=2e-3 if k == 1 else 1e-3)
        assert ours.kneighbors(asked, k, return_distance=False).tolist() == true.tolist()
    for mode in ("connectivity", "distance"):
        graph = ours.kneighbors_graph(asked, mode=mode)
        other = reference.kneighbors_graph(asked, mode=mode)
        assert graph.shape == other.shape
        np.testing.assert_allclose(graph.toarray(), other.toarray(), atol=1e-3)


@pytest.mark.parametrize("asked", [ASKED, None])
def test_all_within_a_radius_are_those_of_the_reference(pair, asked):
    ours, reference = pair
    for radius in (None, 0.05, 1.2):
        distances, rows = ours.radius_neighbors(asked, radius, sort_results=True)
        _, true = reference.radius_neighbors(asked, radius, sort_results=True)
        assert [set(row) for row in rows] == [set(row) for row in true]
        assert all((np.diff(row) >= 0).all() for row in distances)
        plain = ours.radius_neighbors(asked, radius, return_distance=False)
        assert [sorted(row) for row in plain] == [sorted(row) for row in true]


def test_it_is_cloned_and_refuses_what_does_not_fit():
    ours = clone(NearestNeighbors(n_neighbors=3, radius=0.1))
    assert ours.get_params() == {"n_neighbors": 3, "radius": 0.1, "metric": "cosine"}
    with pytest.raises(NotFitted):
        ours.kneighbors(ROWS)
    for wrong in (ROWS[0], ROWS * np.nan, np.array([["a"]]), ROWS[:0]):
        with pytest.raises(UserError, match=r"X: must be finite numbers \[N, D\]"):
            ours.fit(wrong)
    ours.fit(ROWS)
    with pytest.raises(UserError, match=r"numbers \[N, 5\]"):
        ours.kneighbors(ROWS[:, :3])
    with pytest.raises(UserError, match="n_neighbors: must be from 1 to 59"):
        ours.kneighbors(None, 60)
    with pytest.raises(UserError, match="metric: must be cosine"):
        ours.set_params(metric="l2").fit(ROWS)


def test_no_distance_is_less_than_none():
    rows = np.repeat(np.random.default_rng(2).normal(size=(40, 33)), 3, axis=0)
    ours = NearestNeighbors(n_neighbors=3, radius=0.1).fit(rows)
    assert ours.kneighbors(rows)[0].min() == 0
    assert min(found.min() for found in ours.radius_neighbors(rows)[0]) == 0
    assert ours.kneighbors_graph(mode="distance").min() == 0
