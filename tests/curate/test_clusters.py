"""Groups: what k-means leaves, how their number is chosen, and levels of them."""

import numpy as np
import pytest

from ilk.core import UserError
from ilk.curate.clusters import chosen_k, clustered, drawn, levels, silhouette


def planted(groups: int, each: int, *, noise: float = 0.15, seed: int = 0) -> np.ndarray:
    """Unit vectors around so many directions, the vectors of one after those of another."""
    chance = np.random.default_rng(seed)
    centres = np.linalg.qr(chance.normal(size=(24, 24)))[0][:groups]
    rows = np.repeat(centres, each, axis=0)
    rows = rows + noise * chance.normal(size=rows.shape)
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def test_groups_are_what_they_say():
    vectors = planted(5, 30)
    found = clustered(vectors, 7, seed=1)
    cosines = vectors @ found.centres.T
    assert (found.of == cosines.argmax(1)).all()
    np.testing.assert_allclose(found.similarity, cosines.max(1), atol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(found.centres, axis=1), 1, atol=1e-6)
    assert found.sizes.tolist() == sorted(found.sizes.tolist(), reverse=True)
    for group, medoid in enumerate(found.medoids):
        members = np.flatnonzero(found.of == group)
        assert len(members) == found.sizes[group] > 0
        assert medoid == members[cosines[members, group].argmax()]


def test_planted_groups_are_found_whatever_the_seed():
    vectors = planted(4, 25)
    for seed in range(3):
        found = clustered(vectors, 4, seed=seed).of.reshape(4, 25)
        assert (found == found[:, :1]).all()
        assert len(set(found[:, 0])) == 4


@pytest.mark.parametrize("groups", [2, 7, 13])
def test_the_number_of_planted_groups_is_chosen(groups):
    k, why = chosen_k(planted(groups, 20))
    assert k == groups
    assert f"{groups} have the largest silhouette" in why


def test_the_silhouette_equals_a_plain_loop():
    vectors, centres = planted(3, 4), planted(4, 1, seed=1)
    total = 0.0
    for row in vectors.astype(np.float64):
        a, b, *_ = sorted(1 - float(row @ centre) for centre in centres)
        total += (max(b, 0) - max(a, 0)) / max(a, b)
    assert silhouette(vectors, centres) == pytest.approx(total / len(vectors), abs=1e-6)


def test_few_vectors_copies_and_wrong_numbers():
    assert chosen_k(planted(2, 4))[0] == 1
    copies = np.repeat(planted(2, 1), 6, axis=0)
    with pytest.warns(match="distinct clusters"):
        assert len(clustered(copies, 5).sizes) == 2  # the others would be empty
    for k in (0, 13):
        with pytest.raises(UserError, match="k: must be from 1 to 12, the number of images"):
            clustered(copies, k)


def test_levels_lie_within_one_another():
    vectors = planted(6, 20)
    fine, coarse = levels(vectors, [12, 3])
    assert len(coarse.sizes) == 3
    assert coarse.sizes.tolist() == np.bincount(coarse.of).tolist()
    for group in range(12):
        assert len(set(coarse.of[fine.of == group])) == 1
    for group, medoid in enumerate(coarse.medoids):
        members = np.flatnonzero(coarse.of == group)
        assert medoid == members[(vectors[members] @ coarse.centres[group]).argmax()]
    with pytest.raises(UserError, match="must fall from level to level, got 12 after 12"):
        levels(vectors, [12, 12])


def test_what_is_drawn_follows_from_the_seed():
    assert drawn(5, 9, 0).tolist() == [0, 1, 2, 3, 4]
    first = drawn(1000, 10, 3)
    assert len(set(first)) == 10
    assert (first == drawn(1000, 10, 3)).all()
    assert (first != drawn(1000, 10, 4)).any()
