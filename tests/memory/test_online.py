"""Clusters that are kept up to date: repair, and who joins whom."""

import pytest
import torch
from torch.nn import functional as F

from ilk.core import UNKNOWN, Composition, Progress, Rows, UserError
from ilk.memory import OnlineClusters
from ilk.memory.online import mended

NOW = Progress(4, 80, 4.0)


def blobs(sizes, dim=6, spread=0.1, seed=0):
    torch.manual_seed(seed)
    centres = torch.eye(dim).double()
    rows = [centres[c] + spread * torch.randn(n, dim).double() for c, n in enumerate(sizes)]
    return F.normalize(torch.cat(rows), dim=1), torch.repeat_interleave(torch.tensor(sizes))


@pytest.mark.parametrize("sizes", [(5, 1, 5), (11, 0, 0), (1, 9, 1), (4, 4, 3)])
def test_nothing_is_small_or_lost_afterwards(sizes):
    rows, labels = blobs(sizes)
    fixed, centroids = mended(rows, labels, 3, 2)
    found = torch.bincount(fixed, minlength=3)
    assert found.sum() == 11
    assert found.min() >= 2
    for c in range(3):
        torch.testing.assert_close(centroids[c], rows[fixed == c].mean(0))


def test_large_clusters_stay_and_the_lost_join_the_nearest():
    rows, labels = blobs((6, 6, 1))
    rows[12] = F.normalize(rows[8] + 0.05, dim=0)  # beside the second cluster
    fixed, _ = mended(rows, labels, 3, 2)
    assert (fixed[:6] == 0).all() or (fixed[6:] == 1).all()
    # One of them is split for the free id; the single row went to the second before.
    assert int(fixed[12]) in {1, 2}
    same, _ = mended(*blobs((4, 4, 3)), 3, 2)
    assert torch.equal(same, blobs((4, 4, 3))[1])


def test_two_blobs_in_one_cluster_come_apart():
    rows, truth = blobs((7, 5))
    fixed, _ = mended(rows, torch.zeros(12, dtype=torch.long), 2, 2)
    assert len({(int(a), int(b)) for a, b in zip(fixed, truth, strict=True)}) == 2


def test_one_row_against_many_is_no_split():
    rows = torch.cat([torch.tensor([[1.0, 0.0]]).repeat(7, 1), torch.tensor([[0.0, 1.0]])])
    fixed, _ = mended(rows, torch.zeros(8, dtype=torch.long), 2, 3)
    assert sorted(torch.bincount(fixed).tolist()) == [4, 4]


def written(memory, rows, items):
    items = torch.as_tensor(items)
    memory.remember(Rows(rows, Composition.plain(items), items))


def test_clusters_begin_with_the_first_full_epoch_and_then_follow():
    rows, truth = blobs((8, 8))
    memory = OnlineClusters(2, 6, smallest=2, every=10, items=16).double()
    written(memory, rows[:3], [0, 1, 2])
    memory.refresh({}, NOW, seed=0)
    assert (memory.labels == UNKNOWN).all()  # three rows are too few
    written(memory, rows, torch.arange(16))
    memory.refresh({}, Progress(5, 80, 4.0), seed=0)
    assert (memory.labels == UNKNOWN).all()  # not at the beginning of an epoch
    memory.refresh({}, Progress(8, 80, 4.0), seed=0)
    pairs = {(int(a), int(b)) for a, b in zip(memory.labels, truth, strict=True)}
    assert len(pairs) == 2
    torch.testing.assert_close(memory.centroids[memory.labels[0]], rows[:8].mean(0))
    other = memory.labels[15]
    written(memory, rows[15:] * 3, [0])  # looks now like the last one
    assert memory.labels[0] == other
    torch.testing.assert_close(memory.vectors[0], rows[15])


def test_too_many_clusters_are_refused():
    with pytest.raises(UserError, match="4 clusters of 20 must be no more than the 50 images"):
        OnlineClusters(4, 6, items=50)
