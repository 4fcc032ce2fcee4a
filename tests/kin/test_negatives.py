"""Foreigners by lot and by synthesis, against loops and worked examples."""

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from ilk.core import Kin, Progress, hash_uniform, paired
from ilk.core.seeding import integer
from ilk.kin import CommonSource, HardMixes, Sampled
from tests.kin.context import FakeLook, plain, stale


def test_lots_are_splitmix_and_go_by_number_alone():
    numbers = torch.tensor([[3, -1], [2**40, 3]])
    found = hash_uniform(numbers, seed=5, step=7, name="x")

    def mixed(word: int) -> int:
        word = ((word ^ (word >> 30)) * 0xBF58476D1CE4E5B9) % 2**64
        word = ((word ^ (word >> 27)) * 0x94D049BB133111EB) % 2**64
        return word ^ (word >> 31)

    for number, lot in zip(numbers.flatten().tolist(), found.flatten().tolist(), strict=True):
        word = mixed((number + 0x9E3779B97F4A7C15) % 2**64) ^ integer(5, 7, "x")
        assert lot == (mixed(word) >> 40) / 2**24
    assert found[0, 0] == found[1, 1]
    assert not torch.equal(found, hash_uniform(numbers, seed=6, step=7, name="x"))
    many = hash_uniform(paired(torch.arange(300), torch.arange(300)), seed=0, step=0, name="x")
    assert many.unique().numel() > 0.99 * many.numel()
    counts = np.histogram(many.numpy(), bins=10, range=(0, 1))[0]
    assert abs(counts / many.numel() - 0.1).max() < 0.005
    assert abs(np.corrcoef(many.numpy())[0, 1:]).max() < 0.3


def test_few_are_foreign_and_all_views_of_a_picture_draw_the_same():
    rows, others = plain(torch.randn(8, 2)), plain(torch.randn(8, 2), first_slot=8)
    rule = Sampled(rule=CommonSource(), negatives=3)
    kin = rule(rows, others, FakeLook())
    assert torch.equal(kin.weights, torch.eye(8))
    assert ((~kin.ignored).sum(1) == 4).all()
    order = torch.randperm(8)
    again = rule(plain(torch.randn(8, 2), order), rows, FakeLook())
    assert torch.equal(again.ignored, kin.ignored[order])
    later = rule(rows, others, FakeLook(progress=Progress(1, 100, 10.0)))
    assert not torch.equal(later.ignored, kin.ignored)
    everyone = Sampled(rule=CommonSource(), negatives=20)(rows, others, FakeLook())
    assert not everyone.ignored.any()


def test_everyone_is_drawn_about_as_often():
    rows, rule = plain(torch.randn(6, 2)), Sampled(rule=CommonSource(), negatives=2)
    drawn = torch.zeros(6, 6)
    for step in range(600):
        drawn += ~rule(rows, rows, FakeLook(progress=Progress(step, 600, 10.0))).ignored
    off = drawn[~torch.eye(6, dtype=torch.bool)] / 600
    assert off.mean().item() == pytest.approx(0.4)
    assert (off - 0.4).abs().max() < 0.08


def test_mixes_of_the_hardest_by_a_loop():
    torch.manual_seed(0)
    queries, bank = plain(torch.randn(5, 4).double()), stale(torch.randn(20, 4).double())
    ignored = torch.rand(5, 20) < 0.3
    kin = Kin(torch.zeros(5, 20).double(), ignored)
    rule, context = HardMixes(hardest=6, pairs=3, own=2), FakeLook(seed=3)
    made, none = rule(queries, bank, kin, context)
    assert made.shape == (5, 5, 4)
    assert not none.any()
    drawn = hash_uniform(
        paired(queries.slots, torch.arange(15)), seed=3, step=0, name="hard mixes"
    )
    for i in range(5):
        cosines = F.cosine_similarity(queries.vectors[i], bank.vectors)
        negatives = [j for j in range(20) if not ignored[i, j]]
        hard = sorted(negatives, key=lambda j: -cosines[j].item())[:6]
        unit = F.normalize(bank.vectors, dim=1)
        for m in range(5):
            a, b, share = (float(drawn[i, m + 5 * part]) for part in range(3))
            one = unit[hard[int(a * 6)]] if m < 3 else F.normalize(queries.vectors[i], dim=0)
            share = share if m < 3 else share / 2
            expected = share * one + (1 - share) * unit[hard[int(b * 6)]]
            torch.testing.assert_close(made[i, m], expected / expected.norm())


def test_a_mix_can_be_harder_than_the_true_positive():
    query = plain(torch.tensor([[1.0, 0.0]]).double())
    bank = stale(torch.tensor([[0.8, 0.6], [0.8, -0.6]]).double())
    kin = Kin(torch.zeros(1, 2).double())
    made, _ = HardMixes(hardest=2, pairs=300, own=0)(query, bank, kin, FakeLook())
    assert made[..., 0].min() >= 0.8 - 1e-6
    assert made[..., 0].max() > 0.999  # at one half each: the query itself
    straight = stale(torch.tensor([[0.0, 1.0]]).double())
    made, _ = HardMixes(hardest=1, pairs=0, own=300)(
        query, straight, Kin(torch.zeros(1, 1)), FakeLook()
    )
    assert 0.69 < made[..., 0].max() < 0.707107  # at one half: the root of a half
    assert not made.requires_grad


def test_there_are_none_before_their_epoch_or_where_nobody_is_foreign():
    query, bank = plain(torch.randn(2, 3)), stale(torch.randn(4, 3))
    late = HardMixes(hardest=2, pairs=1, own=1, from_epoch=1)
    kin = Kin(torch.zeros(2, 4), torch.tensor([[True] * 4, [False] * 4]))
    assert late(query, bank, kin, FakeLook()) is None
    _, none = late(query, bank, kin, FakeLook(progress=Progress(10, 100, 10.0)))
    assert none.tolist() == [[True, True], [False, False]]
