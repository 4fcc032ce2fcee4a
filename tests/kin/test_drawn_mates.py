"""One mate and semi-hard foreigners of every query: laws over draws, and worked examples."""

import pytest
import torch

from ilk.core import UNKNOWN, Kin, Progress
from ilk.kin import DrawnMates
from ilk.memory import OnlineClusters
from ilk.objectives import SoftCrossEntropy
from tests.kin.context import FakeLook, mixed_rows, plain

ITEMS, CLUSTERS = 24, 4


def bank() -> OnlineClusters:
    torch.manual_seed(0)
    memory = OnlineClusters(CLUSTERS, 5, smallest=1, items=ITEMS)
    memory.vectors = torch.nn.functional.normalize(torch.randn(ITEMS, 5), dim=1)
    memory.sources = torch.arange(ITEMS)
    memory.labels = torch.arange(ITEMS) % CLUSTERS
    memory.labels[20:] = UNKNOWN
    return memory


def found(queries, memory, step=0, pool=14, negatives=5) -> Kin:
    context = FakeLook(memories={"bank": memory}, progress=Progress(step, 100, 10.0))
    rule = DrawnMates(clusters="bank", pool=pool, negatives=negatives)
    return rule(queries, memory.rows(), context)


def test_kin_are_of_the_cluster_and_foreigners_of_others_among_the_most_alike():
    memory = bank()
    queries = plain(torch.randn(6, 5), [0, 1, 2, 3, 4, 21])
    drawn = set()
    for step in range(40):
        kin = found(queries, memory, step)
        for row, item in enumerate([0, 1, 2, 3, 4, 21]):
            mates = kin.weights[row].nonzero()[:, 0].tolist()
            if item == 21:
                assert mates == []  # of no cluster yet
                continue
            (mate,) = mates
            assert memory.labels[mate] == item % CLUSTERS
            taken = (~kin.ignored[row]).nonzero()[:, 0].tolist()
            alike = torch.cosine_similarity(queries.vectors[row], memory.vectors)
            nearest = alike.argsort(descending=True)[:14].tolist()
            others = [i for i in nearest if i < 20 and i % CLUSTERS != item % CLUSTERS]
            assert mate in taken
            assert set(taken) - {mate} <= set(others)
            assert len(taken) == 1 + min(5, len(others))
            drawn.add((item, mate))
    # In forty steps every member of the clusters had its turn, the query's own entry too.
    assert {mate for item, mate in drawn if item == 0} == {0, 4, 8, 12, 16}


def test_draws_are_the_same_again_and_change_with_the_step():
    memory, queries = bank(), plain(torch.randn(4, 5), [0, 1, 2, 3])
    assert torch.equal(found(queries, memory, 3).ignored, found(queries, memory, 3).ignored)
    assert not torch.equal(found(queries, memory, 3).ignored, found(queries, memory, 4).ignored)


def test_a_cluster_that_fills_the_pool_leaves_no_foreigners():
    memory = bank()
    memory.labels[:] = 0
    kin = found(plain(torch.randn(3, 5), [0, 1, 2]), memory)
    assert (~kin.ignored).sum(1).tolist() == [1, 1, 1]


def test_a_mix_has_a_mate_for_each_of_its_clusters():
    memory = bank()
    kin = found(mixed_rows(torch.randn(4, 5), [0.7] * 4), memory)
    for row in range(4):
        mates = kin.weights[row].nonzero()[:, 0].tolist()
        shares = {int(memory.labels[m]): kin.weights[row, m].item() for m in mates}
        assert shares == pytest.approx({row: 0.7, 3 - row: 0.3})
        for other in (~kin.ignored[row]).nonzero()[:, 0].tolist():
            assert other in mates or int(memory.labels[other]) not in shares


@pytest.mark.parametrize(("margin", "loss"), [(0.0, 0.733370), (-0.5, 0.085097)])
def test_a_margin_below_zero_relaxes_the_boundary(margin, loss):
    query = torch.tensor([[1.0, 0.0]]).double()
    root = 0.75**0.5
    others = torch.tensor([[0.5, root], [0.5, -root], [0.0, 1.0]]).double()
    objective = SoftCrossEntropy(temperature=0.2, margin=margin)
    kin = Kin(torch.tensor([[1.0, 0.0, 0.0]]).double())
    found = objective(query, (others,), kin, Progress(0, 1, 1.0)).item()
    assert found == pytest.approx(loss, abs=1e-6)
