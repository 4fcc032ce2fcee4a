"""Points on a map, and how far it is trusted, beside plain formulas and scikit-learn."""

import numpy as np
import pytest
from sklearn.manifold import trustworthiness as reference

from ilk.core import UserError
from ilk.explore.projection import Principal, project
from ilk.explore.trust import Trust, trustworthiness


def unit_rows(count: int, dim: int = 8, seed: int = 0) -> np.ndarray:
    rows = np.random.default_rng(seed).normal(size=(count, dim)) * np.arange(1, dim + 1)
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def test_pca_is_the_singular_value_decomposition() -> None:
    vectors = unit_rows(200)
    made = project("pca", vectors, np.arange(200))
    centred = (vectors - vectors.mean(0)).astype(np.float64)
    _, lengths, axes = np.linalg.svd(centred, full_matrices=False)
    expected = centred @ axes[:2].T
    scale = np.abs(expected - (expected.min(0) + expected.max(0)) / 2).max()
    for column in (0, 1):
        own = made.points[:, column] - made.points[:, column].mean()
        theirs = (expected[:, column] - expected[:, column].mean()) / scale
        assert min(np.abs(own - theirs).max(), np.abs(own + theirs).max()) < 1e-4
    share = (lengths[:2] ** 2).sum() / (lengths**2).sum()
    assert f"{share:.0%}" in made.words


def test_signs_of_components_are_not_by_chance() -> None:
    vectors = unit_rows(50)
    axes = Principal.of(vectors, np.arange(50), 2).axes
    assert (axes.max(0) == np.abs(axes).max(0)).all()


def test_rows_without_a_vector_have_no_point() -> None:
    rows = np.array([1, 3, 4, 9])
    points = project("pca", unit_rows(10), rows).points
    assert np.flatnonzero(np.isfinite(points[:, 0])).tolist() == rows.tolist()
    with pytest.raises(UserError, match="at least 3"):
        project("pca", unit_rows(10), rows[:2])


def test_tsne_keeps_groups_and_the_others_lie_among_theirs() -> None:
    rng = np.random.default_rng(0)
    kinds = np.arange(90) % 3
    vectors = np.eye(3, 12)[kinds] + 0.05 * rng.normal(size=(90, 12))
    vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    made = project("tsne", vectors, np.arange(90), most=45)
    assert "45 images" in made.words
    assert "45 lie between the 3" in made.words
    again = project("tsne", vectors, np.arange(90), most=45)
    np.testing.assert_array_equal(made.points, again.points)
    centres = np.stack([made.points[kinds == kind].mean(0) for kind in range(3)])
    distances = np.linalg.norm(made.points[:, None] - centres, axis=2)
    assert (distances.argmin(1) == kinds).all()


@pytest.mark.parametrize("name", ["pca", "tsne"])
@pytest.mark.parametrize("count", [3, 8, 40])
def test_images_of_one_vector_lie_at_one_point(name: str, count: int) -> None:
    rows = np.repeat(unit_rows(1, dim=192), count, axis=0).astype(np.float16)
    made = project(name, rows, np.arange(count))  # t-SNE would end the process
    assert np.ptp(made.points, axis=0).max() == 0
    assert np.isfinite(made.points).all()
    assert ("the same vector" in made.words) == (name == "tsne")


def test_trustworthiness_is_scikit_learns() -> None:
    vectors = unit_rows(120, seed=3)
    points = np.random.default_rng(4).normal(size=(120, 2)).astype(np.float32)
    points[:, 0] += vectors[:, 0] * 3
    found = trustworthiness(vectors, points, neighbours=7)
    assert found is not None
    assert found.value == pytest.approx(reference(vectors, points, n_neighbors=7), abs=1e-6)
    assert (found.low, found.high, found.sample) == (found.value, found.value, 120)


def test_a_sample_comes_with_an_interval_that_holds_the_whole() -> None:
    vectors = unit_rows(400, seed=5)
    points = project("pca", vectors, np.arange(400)).points
    points[::9] = np.nan  # images that are not on the map do not count
    whole = trustworthiness(vectors, points)
    some = trustworthiness(vectors, points, sample=100)
    assert whole is not None
    assert some is not None
    assert some.low < whole.value < some.high
    assert some.high - some.low < 0.1
    assert Trust.of(some.numbers) == some


def test_a_handful_of_points_says_nothing() -> None:
    assert trustworthiness(unit_rows(31), np.zeros((31, 2), np.float32)) is None
