import time

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.neighbors import KNeighborsClassifier, NearestNeighbors

from ilk.embedding import knn_accuracy, leave_one_out, nearest, nearest_others, vote, votes


def slow_nearest(queries, gallery, k):
    """By definition, in float64: sort by falling cosine, then by rising row."""
    rows = []
    for q in queries.double():
        cosines = [
            (q @ g / max(q.norm() * g.norm(), torch.tensor(1e-12))).item()
            for g in gallery.double()
        ]
        rows.append(sorted(range(len(cosines)), key=lambda i: (-cosines[i], i))[:k])
    return torch.tensor(rows)


@given(
    sizes=st.tuples(st.integers(1, 9), st.integers(1, 30)),
    k=st.integers(1, 40),
    block=st.tuples(st.integers(1, 10), st.integers(1, 40)),
    seed=st.integers(0, 2**16),
)
@settings(max_examples=60, deadline=None)
def test_nearest_is_the_slow_loop_whatever_the_blocks_and_ties(sizes, k, block, seed):
    rng = torch.Generator().manual_seed(seed)
    # axis-aligned rows: cosines are exactly 0, 1 or -1, nearly all of them tied
    axes = torch.cat([torch.eye(3), -torch.eye(3), torch.zeros(1, 3)])
    queries = axes[torch.randint(7, (sizes[0],), generator=rng)]
    gallery = 2 * axes[torch.randint(7, (sizes[1],), generator=rng)]
    indices, cosines = nearest(queries, gallery, k, block)
    expected = slow_nearest(queries, gallery, k)
    assert indices.tolist() == expected.tolist()
    assert cosines.tolist() == [
        [torch.nn.functional.cosine_similarity(queries[q], gallery[i], 0).item() for i in row]
        for q, row in enumerate(expected)
    ]


def test_nearest_agrees_with_scikit_learn_across_block_borders():
    rng = torch.Generator().manual_seed(0)
    queries, gallery = torch.randn(70, 16, generator=rng), torch.randn(300, 16, generator=rng)
    indices, cosines = nearest(queries, gallery, 25, (32, 64))
    brute = NearestNeighbors(n_neighbors=25, metric="cosine", algorithm="brute").fit(gallery)
    distances, expected = brute.kneighbors(queries)
    assert np.array_equal(indices.numpy(), expected)
    np.testing.assert_allclose(cosines.numpy(), 1 - distances, atol=1e-6)


def test_nearest_does_not_change_its_inputs():
    queries, gallery = torch.randn(3, 4), torch.randn(5, 4)
    before = queries.clone(), gallery.clone()
    nearest(queries, gallery, 2)
    assert torch.equal(queries, before[0])
    assert torch.equal(gallery, before[1])


def test_vote_is_the_weighted_sum_by_hand():
    labels = torch.tensor([[0, 1, 1]])
    cosines = torch.tensor([[0.9, 0.8, 0.7]])
    # tau = 0.1: e^9 against e^8 + e^7 = 0.503 e^9; tau = 1: e^.9 against 1.72 e^.9
    assert vote(labels, cosines, temperature=0.1, classes=2).item() == 0
    assert vote(labels, cosines, temperature=1.0, classes=2).item() == 1
    assert vote(labels, cosines, temperature=1e-6, classes=2).item() == 0, "must not overflow"


def test_many_classes_take_no_more_memory(monkeypatch):
    draw = torch.Generator().manual_seed(3)
    labels = torch.randint(0, 50_000, (2000, 5), generator=draw)
    labels[:, 3:] = labels[:, :2]
    cosines = torch.rand(2000, 5, generator=draw)
    whole = votes(labels, cosines, temperature=0.2, classes=50_000).argmax(1)
    held: list[int] = []

    def counted(*given, **more):
        found = votes(*given, **more)
        held.append(found.numel())
        return found

    monkeypatch.setattr("ilk.embedding.neighbours.votes", counted)
    assert torch.equal(vote(labels, cosines, temperature=0.2, classes=50_000), whole)
    assert max(held) <= 2**24
    assert vote(labels[:0], cosines[:0], temperature=0.2, classes=50_000).shape == (0,)


def test_equal_votes_go_to_the_lowest_class():
    labels, cosines = torch.tensor([[3, 1, 2]]), torch.full((1, 3), 0.5)
    assert vote(labels, cosines, temperature=0.07, classes=5).item() == 1


@pytest.mark.parametrize("k", [1, 7, 1000])
def test_accuracy_is_that_of_scikit_learn(k):
    rng = np.random.default_rng(k)
    centres = rng.normal(size=(4, 8))
    labels = rng.integers(0, 4, 260)
    vectors = (centres[labels] + 1.2 * rng.normal(size=(260, 8))).astype(np.float32)
    reference = KNeighborsClassifier(
        min(k, 200),
        metric="cosine",
        algorithm="brute",
        weights=lambda distance: np.exp((1 - distance) / 0.07),
    ).fit(vectors[:200], labels[:200])
    train, test = (torch.from_numpy(vectors[s]) for s in (slice(200), slice(200, None)))
    known, asked = torch.from_numpy(labels[:200]), torch.from_numpy(labels[200:])
    ours = knn_accuracy(train, known, test, asked, k=k, temperature=0.07, classes=4)
    assert ours == pytest.approx(reference.score(vectors[200:], labels[200:]), abs=1e-6)
    assert 0.3 < ours < 1, "the case must be neither trivial nor hopeless"


@pytest.mark.parametrize("seed", range(4))
def test_leave_one_out_never_asks_a_row_itself(seed):
    rng = np.random.default_rng(seed)
    vectors = rng.normal(size=(40, 5)).astype(np.float32)
    vectors[10:25] = vectors[0]  # more copies than neighbours: the row itself may not be found
    labels = rng.integers(0, 3, 40)
    right = 0
    for row in range(40):
        rest = [i for i in range(40) if i != row]
        right += knn_accuracy(
            torch.from_numpy(vectors[rest]), torch.from_numpy(labels[rest]),
            torch.from_numpy(vectors[[row]]), torch.from_numpy(labels[[row]]), k=4, classes=3,
        )  # fmt: skip
    assert leave_one_out(vectors, labels, k=4) == pytest.approx(right / 40)


def test_nearest_others_never_name_the_row_itself_among_many_copies():
    rows = torch.randn(30, 5, generator=torch.Generator().manual_seed(0))
    rows[4:20] = rows[2]
    found = nearest_others(rows, rows, torch.arange(30), 6)
    for row, near in enumerate(found.tolist()):
        others = slow_nearest(rows[row : row + 1], rows, 30)[0]
        assert near == others[others != row][:6].tolist()


def test_what_is_no_number_is_found_and_not_passed_over():
    gallery = torch.eye(4).repeat(3, 1)
    gallery[9] = torch.nan  # beyond the first block, whose rows are nearer than any other
    found, cosines = nearest(torch.eye(4)[:1], gallery, 2, (1, 4))
    assert 9 in found[0]
    assert cosines.isnan().any()


def test_leave_one_out_takes_read_only_vectors_and_few_rows():
    vectors = np.eye(2, dtype=np.float32)
    vectors.flags.writeable = False
    assert leave_one_out(vectors, np.array([0, 1])) == 0.0
    assert leave_one_out(vectors, np.array([1, 1])) == 1.0


def test_many_tied_rows_stay_affordable():
    """A collapsed encoder ties everything; that must not take minutes."""
    ones = torch.ones(3000, 8)
    began = time.perf_counter()
    indices, _ = nearest(ones[:500], ones, 200)
    assert time.perf_counter() - began < 10
    assert torch.equal(indices, torch.arange(200).expand(500, 200))
