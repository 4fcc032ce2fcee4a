"""Kin by cluster, against loops and worked examples."""

import pytest
import torch

from ilk.core import UNKNOWN, Line, Progress
from ilk.kin import Clustermates, CommonSource, OwnCluster
from ilk.memory import Clusters
from ilk.objectives import soft_cross_entropy_rows
from tests.kin.context import FakeLook, joined, mixed_rows, plain, stale


def known(labels, doubt=None, count=3):
    clusters = Clusters(count, 2, bank="bank", items=len(labels))
    clusters.labels = torch.tensor(labels)
    clusters.doubt = torch.zeros(len(labels)) if doubt is None else torch.tensor(doubt)
    return clusters


def context(clusters, progress=None):
    return FakeLook({}, {"clusters": clusters}, progress=progress or Progress(0, 100, 10.0))


def test_a_query_is_kin_of_the_clusters_it_is_made_of():
    clusters = known([2, 0, UNKNOWN, 0])
    rule, seen = OwnCluster(clusters="clusters"), context(clusters)
    found = rule(plain(torch.zeros(4, 2)), clusters.rows(), seen).weights
    assert found.tolist() == [[0, 0, 1], [1, 0, 0], [0, 0, 0], [1, 0, 0]]
    share = torch.tensor([0.7, 0.4, 0.2, 0.9]).double()
    mixed = rule(mixed_rows(torch.zeros(4, 2), share), clusters.rows(), seen).weights
    expected = [[0.3, 0, 0.7], [1, 0, 0], [1, 0, 0], [0.9, 0, 0.1]]
    torch.testing.assert_close(mixed, torch.tensor(expected).double())


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        (CommonSource(), 0.487925),
        (CommonSource() - Clustermates(clusters="clusters"), 0.022155),
        (CommonSource() | Clustermates(clusters="clusters"), 0.737925),
    ],
    ids=["none", "eliminate", "attract"],
)
def test_false_negatives_of_a_worked_example(rule, expected):
    query = plain(torch.zeros(1, 2))
    candidates = joined(
        plain(torch.zeros(1, 2), first_slot=1), stale(torch.zeros(3, 2), [1, 2, 3])
    )
    scores = torch.tensor([[0.9, 0.8, 0.1, -0.2]]).double() / 0.2
    kin = rule(query, candidates, context(known([0, 0, 1, UNKNOWN])))
    assert soft_cross_entropy_rows(scores, kin).item() == pytest.approx(expected, abs=1e-6)


def test_trust_grows_from_nobody_to_everybody():
    torch.manual_seed(0)
    labels, doubt = torch.randint(0, 3, (20,)).tolist(), (torch.randperm(20) / 20).tolist()
    rows, clusters = plain(torch.zeros(20, 2)), known(labels, doubt)
    rule = Clustermates(clusters="clusters", accepted=Line(0.0, 1.0))
    last = torch.zeros(20, 20, dtype=torch.bool)
    for step in range(0, 101, 20):
        now = rule(rows, rows, context(clusters, Progress(step, 100, 10.0))).weights > 0
        for i in range(20):
            mates = [
                i != j and labels[i] == labels[j] and max(doubt[i], doubt[j]) < step / 100
                for j in range(20)
            ]
            assert now[i].tolist() == mates
        assert (now | ~last).all()
        last = now


def test_with_one_cluster_that_is_believed_nobody_is_foreign():
    rows, key = plain(torch.zeros(3, 2)), plain(torch.zeros(3, 2), first_slot=3)
    rule = CommonSource() - Clustermates(clusters="clusters")
    kin = rule(rows, key, context(known([0, 0, 0], count=1)))
    loss = soft_cross_entropy_rows(torch.randn(3, 3).double(), kin)
    torch.testing.assert_close(loss, torch.zeros(3).double())
