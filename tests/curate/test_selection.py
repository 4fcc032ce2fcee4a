"""Every way to choose images against a slow reference, and what it promises."""

from itertools import combinations

import numpy as np
import pytest

from ilk.core import UserError
from ilk.curate.clusters import clustered
from ilk.curate.graph import exact, neighbour_graph
from ilk.curate.selection import (
    WAYS,
    balanced,
    facility_location,
    hard,
    k_centre,
    select,
    shares,
    typical,
    typicality,
)
from tests.curate.test_clusters import planted


def distances(vectors):
    return np.sqrt(np.maximum(2 - 2 * vectors.astype(np.float64) @ vectors.T, 0))


@pytest.mark.parametrize("seed", range(4))
def test_k_centre_equals_a_plain_loop_and_is_within_twice_the_best(seed):
    vectors = planted(3, 4, noise=0.3, seed=seed)
    apart = distances(vectors)
    found = k_centre(vectors, 4, seed)
    slow = [int(found[0])]
    while len(slow) < 4:
        slow.append(max(range(12), key=lambda i: (min(apart[i, j] for j in slow), -i)))
    assert found.tolist() == slow
    radius = apart[:, found].min(1).max()
    best = min(apart[:, list(some)].min(1).max() for some in combinations(range(12), 4))
    assert best <= radius <= 2 * best + 1e-6


def similarity_matrix(graph):
    """Row i, column j: how similar image i is to a chosen j."""
    out = np.eye(len(graph.places))
    for i, (places, cosines) in enumerate(zip(graph.places, graph.similarities, strict=True)):
        for j, cosine in zip(places, cosines, strict=True):
            out[i, j] = max(float(cosine), 0)
    return out


@pytest.mark.parametrize("seed", range(3))
def test_lazy_greedy_equals_plain_greedy_and_is_near_the_best(seed):
    vectors = planted(3, 5, noise=0.3, seed=seed)
    graph = neighbour_graph(vectors, 4, exact(vectors))
    near = similarity_matrix(graph)
    slow: list[int] = []
    for _ in range(5):
        sums = [near[:, [*slow, i]].max(1).sum() if i not in slow else -1 for i in range(15)]
        slow.append(int(np.argmax(sums)))
    assert facility_location(graph, 5).tolist() == slow
    best = max(near[:, list(some)].max(1).sum() for some in combinations(range(15), 3))
    assert near[:, slow[:3]].max(1).sum() >= (1 - 1 / np.e) * best


def test_all_images_can_be_asked_for():
    vectors = planted(2, 3)
    graph = neighbour_graph(vectors, 2, exact(vectors))
    assert sorted(facility_location(graph, 6)) == list(range(6))
    assert sorted(k_centre(vectors, 6, 0)) == list(range(6))


def test_typicality_and_typical_images_equal_plain_loops():
    vectors = planted(3, 25, noise=0.3)
    apart = distances(vectors)
    dense = [1 / np.mean(sorted(row)[1:21]) for row in apart]  # beside itself
    np.testing.assert_allclose(typicality(vectors), dense, rtol=1e-3)
    groups = clustered(vectors, 3, seed=0)  # 75 images give 3 groups of 20 or more
    members = [
        sorted(np.flatnonzero(groups.of == g), key=lambda i: -dense[i]) for g in range(3)
    ]
    slow = [mine[turn] for turn in range(2) for mine in members]
    assert typical(vectors, 5, 0).tolist() == slow[:5]


def test_hard_images_are_far_from_their_centres():
    vectors = planted(3, 20)
    vectors[7] = (vectors[7] + vectors[30]) / np.linalg.norm(vectors[7] + vectors[30])
    assert hard(vectors, 5, 0)[0] == 7


@pytest.mark.parametrize("seed", range(30))
def test_shares_equal_giving_one_by_one(seed):
    chance = np.random.default_rng(seed)
    sizes = chance.integers(0, 9, chance.integers(1, 6))
    n = int(chance.integers(0, 25))
    slow = np.zeros(len(sizes), int)
    for _ in range(min(n, sizes.sum())):
        open_ = [g for g in range(len(sizes)) if slow[g] < sizes[g]]
        slow[min(open_, key=lambda g: (slow[g], g))] += 1
    assert shares(n, sizes).tolist() == slow.tolist()


def test_balanced_takes_as_many_of_rare_groups_as_of_common_ones():
    chance = np.random.default_rng(0)
    centres = np.eye(24)[[0] * 300 + [1] * 60]
    rows = centres + 0.05 * chance.normal(size=centres.shape)
    vectors = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    found = balanced(vectors, 60, 0)
    rare = (found >= 300).sum()
    assert rare > 1.3 * 60 * 60 / 360  # than at random
    assert len(set(found)) == 60


@pytest.mark.parametrize("by", WAYS)
def test_every_way_gives_different_images_by_the_seed(by):
    vectors = planted(4, 30, noise=0.3)
    first = select(vectors, 17, by, seed=1)
    assert len(set(first.tolist())) == len(first) == 17
    assert (first == select(vectors, 17, by, seed=1)).all()
    per = np.repeat([0, 1, -1, 2], 30)
    within = select(vectors, 5, by, per=per, seed=1)
    assert np.bincount(per[within], minlength=3).tolist() == [5, 5, 5]
    assert sorted(select(vectors[:5], 9, by)) == [0, 1, 2, 3, 4]


def test_what_cannot_be_chosen_is_refused():
    with pytest.raises(UserError, match="by: must be one of diverse, covering"):
        select(planted(2, 4), 2, "best")
    with pytest.raises(UserError, match="n: must be 1 or more, got 0"):
        select(planted(2, 4), 0, "random")
