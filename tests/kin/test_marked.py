"""Pairs that were marked as different, against loops."""

import torch

from ilk.kin import CommonSource, MarkedDifferent, SameLabel, Without
from tests.kin.context import FakeLook, mixed_rows, plain

GROUPS = torch.tensor([0, 1, 2, -1, 0, 3])
DIFFERENT = ((0, 1), (1, 2))
RULE = MarkedDifferent(fact="label", pairs=DIFFERENT)


def differ(a: int, b: int) -> bool:
    return (min(a, b), max(a, b)) in DIFFERENT


def test_different_pairs_equal_a_loop_for_clean_and_mixed_rows():
    rows = plain(torch.randn(6, 2).double())
    share = torch.tensor([0.7, 0.4, 0.9, 0.2, 0.5, 0.6]).double()
    mixed = mixed_rows(torch.randn(6, 2).double(), share)
    parts = [{i: share[i].item(), 5 - i: 1 - share[i].item()} for i in range(6)]
    clean = [{i: 1.0} for i in range(6)]
    for queries, of in ((rows, clean), (mixed, parts)):
        found = RULE(queries, mixed, FakeLook(labels=GROUPS)).weights
        wanted = torch.zeros(6, 6).double()
        for i, ours in enumerate(of):
            for j, theirs in enumerate(parts):
                for a, share_a in ours.items():
                    for b, share_b in theirs.items():
                        wanted[i, j] += (
                            share_a * share_b * differ(int(GROUPS[a]), int(GROUPS[b]))
                        )
        sums = wanted.sum(1, keepdim=True)
        torch.testing.assert_close(found.double(), wanted / sums.where(sums > 0, torch.ones(1)))


def test_without_pairs_nothing_differs():
    rows = plain(torch.randn(6, 2))
    none = MarkedDifferent(fact="label", pairs=())
    assert none(rows, rows, FakeLook(labels=GROUPS)).weights.sum() == 0


def test_what_is_left_out_of_kin_stays_a_negative():
    rows, look = plain(torch.randn(6, 2)), FakeLook(labels=torch.tensor([0, 0, 0, 1, 1, -1]))
    rule = CommonSource() | SameLabel()
    groups = FakeLook(labels=torch.tensor([0, 0, 0, 1, 1, -1]))
    differ = MarkedDifferent(fact="label", pairs=((0, 1),))
    kin = Without(rule=rule, those=differ)(rows, rows, look)
    assert torch.equal(kin.weights, rule(rows, rows, groups).weights)  # none was kin
    kin = Without(rule=rule, those=SameLabel())(rows, rows, look)
    assert kin.ignored is None
    assert kin.weights.tolist()[5] == [0, 0, 0, 0, 0, 1]
    assert kin.weights[:5].sum() == 0
