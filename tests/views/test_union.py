"""The mixed union of MixMatch, row by row."""

import numpy as np
import pytest
import torch
from scipy import stats

from ilk.core import Composition, RowFacts
from ilk.views import Chance, UnionMix, ViewRows, derive

ITEMS = np.arange(10, 18)
SUBSETS = {"x": ITEMS[::4], "u": ITEMS[1::2], "v": ITEMS[1::2]}
MIX = UnionMix(of=("x", "u", "v"), alpha=0.75)


def shown(seed: int = 0) -> dict[str, ViewRows]:
    torch.manual_seed(seed)
    return {
        name: ViewRows(
            torch.randn(len(items), 3, 6, 6).double(),
            RowFacts(Composition.plain(torch.from_numpy(items))),
        )
        for name, items in SUBSETS.items()
    }


def chance(**changes) -> Chance:
    return Chance(**{"items": ITEMS, "epoch": 1, "step": 2, "seed": 3, "subsets": SUBSETS,
                     **changes})  # fmt: skip


def test_every_row_is_mixed_with_a_row_of_the_union_and_keeps_the_larger_share():
    views, before = shown(), shown()
    made = derive((MIX,), views, {"x~", "u~", "v~"}, chance())
    rows = torch.cat([views[name].images for name in SUBSETS])
    items = np.concatenate(list(SUBSETS.values()))
    mixed = torch.cat([made[f"{name}~"].images for name in SUBSETS])
    partners = []
    for i, image in enumerate(mixed):
        facts = [made[f"{name}~"].facts.composition for name in SUBSETS]
        sources = torch.cat([each.sources for each in facts])[i].tolist()
        share = torch.cat([each.shares for each in facts])[i, 0].item()
        fits = [
            j
            for j in range(len(rows))
            if items[j] == sources[1]
            and (
                sources[0] == sources[1]
                or torch.allclose(image, share * rows[i] + (1 - share) * rows[j])
            )
        ]
        assert sources[0] == items[i]
        assert share >= 0.5
        assert fits
        partners.append(fits)
    assert all(torch.equal(views[n].images, before[n].images) for n in SUBSETS)
    # Partners are a permutation of all rows, whichever view they are of.
    used = [fits[0] for fits in partners if len(fits) == 1]
    assert len(used) == len(set(used))


def test_shares_are_the_larger_parts_of_beta_ones_and_each_view_has_its_own():
    many = np.arange(4000)
    mix = UnionMix(of=("u", "v"), alpha=0.75)
    draw = mix._draw([many, many], chance(items=many))
    assert (draw.share >= 0.5).all()
    beta = stats.beta(0.75, 0.75)
    found = stats.kstest(draw.share, lambda x: beta.cdf(x) - beta.cdf(1 - x))
    assert found.pvalue > 1e-3
    assert sorted(draw.partners.tolist()) == list(range(8000))
    assert abs(np.corrcoef(draw.share[:4000], draw.share[4000:])[0, 1]) < 0.08


def test_partners_move_with_the_step_and_shares_with_the_image():
    def made(**changes):
        return MIX._draw(list(SUBSETS.values()), chance(**changes))

    first, later = made(), made(step=9)
    assert np.array_equal(first.share, later.share)
    assert not np.array_equal(first.partners, later.partners)
    assert not np.array_equal(first.share, made(epoch=4).share)
    assert np.array_equal(first.partners, made().partners)


def test_a_view_of_several_rows_an_image_is_refused():
    views = shown()
    twice = views["u"]
    facts = twice.facts.composition
    views["u"] = ViewRows(
        torch.cat([twice.images, twice.images]),
        RowFacts(Composition(facts.sources.repeat(2, 1), facts.shares.repeat(2, 1)), 2),
    )
    with pytest.raises(ValueError, match="'u' must have 4 rows of one image each, got 8 of 1"):
        MIX(views, chance())
