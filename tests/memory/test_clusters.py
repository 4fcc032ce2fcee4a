"""Clusters against a loop, and what they do over epochs."""

import pytest
import torch
from torch.nn import functional as F

from ilk.core import UNKNOWN, Composition, Progress, Rows, UserError
from ilk.memory import Bank, Clusters
from ilk.memory.clusters import assigned, spherical_k_means


def plain(vectors, items):
    return Rows(vectors, Composition.plain(torch.tensor(items)), torch.arange(len(vectors)))


def blobs(count=5):
    torch.manual_seed(0)
    directions = torch.eye(3).repeat_interleave(count, 0)
    return F.normalize(directions + 0.1 * torch.randn(3 * count, 3), dim=1)


def settled(seen, *, clusters=3, items=16, step=4, seed=0):
    bank, found = Bank(items, 3, momentum=0.0), Clusters(clusters, 3, bank="bank", items=items)
    bank.remember(plain(blobs()[: len(seen)], seen))
    found.refresh({"bank": bank}, Progress(step, 8, 4.0), seed)
    return found


def test_k_means_matches_a_loop():
    torch.manual_seed(1)
    rows = F.normalize(torch.randn(40, 4).double(), dim=1)
    centroids = F.normalize(torch.randn(5, 4).double(), dim=1)
    centroids[4] = -rows.mean(0) / rows.mean(0).norm()
    expected = centroids.clone()
    for _ in range(4):
        labels = [max(range(5), key=lambda k: float(row @ expected[k])) for row in rows]
        for k in range(5):
            mine = [row for row, label in zip(rows, labels, strict=True) if label == k]
            if mine:
                total = sum(mine)
                expected[k] = total / total.norm()
    torch.testing.assert_close(spherical_k_means(rows, centroids, 4), expected)
    labels, sureness = assigned(rows, expected)
    for i, row in enumerate(rows):
        cosines = torch.stack([row @ centroid for centroid in expected])
        assert labels[i] == cosines.argmax()
        assert sureness[i].item() == pytest.approx(cosines.softmax(0).max().log().item())


def test_an_empty_cluster_stays_where_it_was():
    far = torch.tensor([[1.0, 0, 0], [0, 0, -1.0]])
    rows = F.normalize(torch.tensor([[1.0, 0.1, 0], [1.0, -0.2, 0]]), dim=1)
    found = spherical_k_means(rows, far, 3)
    assert torch.equal(found[1], far[1])
    torch.testing.assert_close(found[0], F.normalize(rows.sum(0), dim=0))


def test_blobs_are_found_by_item_and_strangers_belong_nowhere():
    items = [15, 3, 8, 1, 12, 0, 7, 2, 9, 4, 11, 6, 14, 5, 10]  # all but 13
    hits = [settled(items, seed=seed) for seed in range(8)]
    good = [f for f in hits if all(len(f.labels[items[n : n + 5]].unique()) == 1
                                   for n in (0, 5, 10))]  # fmt: skip
    assert len(good) >= 3  # random starts may share a blob
    found = good[0]
    assert len(found.labels[items].unique()) == 3
    assert found.labels[13] == UNKNOWN
    assert found.doubt[13] == 1
    assert sorted(found.doubt[items].tolist()) == pytest.approx([n / 15 for n in range(15)])
    own = (blobs() * found.centroids[found.labels[items]]).sum(1)
    everyone = (blobs() @ found.centroids.T).softmax(1).amax(1)
    assert found.doubt[items].argmin() == everyone.argmax()
    assert own.min() > 0.9


def test_clusters_change_in_the_first_step_of_an_epoch_alone_and_by_the_seed():
    before = Clusters(3, 3, bank="bank", items=16)
    assert before.labels.bincount().tolist() == [6, 5, 5]
    for step in (3, 5):
        assert torch.equal(settled(list(range(15)), step=step).labels, before.labels)
    assert torch.equal(settled([0, 1]).labels, before.labels)  # too few to cluster
    one, same = settled(list(range(15))), settled(list(range(15)))
    assert not torch.equal(one.labels, before.labels)
    assert torch.equal(one.labels, same.labels)
    assert torch.equal(one.centroids, same.centroids)
    others = [settled(list(range(15)), seed=seed).centroids for seed in range(5)]
    assert any(not torch.equal(one.centroids, other) for other in others)


def test_more_clusters_than_items_are_refused():
    with pytest.raises(UserError, match="no more than the 2 images, got 3"):
        Clusters(3, 3, bank="bank", items=2)


@pytest.mark.parametrize(("step", "begins"), [(0, True), (3, False), (4, True), (5, False)])
def test_epochs_begin(step, begins):
    assert Progress(step, 8, 4.0).begins_epoch == begins


def test_every_epoch_of_a_fractional_length_begins_once():
    began = [s for s in range(25) if Progress(s, 25, 2.5).begins_epoch]
    assert began == [0, 3, 5, 8, 10, 13, 15, 18, 20, 23]


def test_clusterings_of_one_bank_are_told_apart_by_their_seeds():
    bank = Bank(40, 6, momentum=0.0)
    bank.sources.copy_(torch.arange(40))
    first, second, again = (
        Clusters(8, 6, bank="bank", items=40, iterations=1, seed=seed) for seed in (0, 1, 0)
    )
    for clusters in (first, second, again):
        clusters.refresh({"bank": bank}, Progress(0, 10, 5.0), seed=3)
    assert torch.equal(first.centroids, again.centroids)
    assert not torch.equal(first.labels, second.labels)
