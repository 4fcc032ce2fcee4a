"""Compositions against dictionaries and a double loop."""

import math

import hypothesis.strategies as st
import pytest
import torch
from hypothesis import given

from ilk.core import UNKNOWN, Composition, overlap

shares = st.floats(0, 1)


@st.composite
def mixes(draw):
    """Rows mixed with their mirror, over items that may repeat."""
    count = draw(st.integers(1, 7))
    items = torch.tensor(draw(st.lists(st.integers(0, 5), min_size=count, max_size=count)))
    lam = torch.tensor(
        draw(st.lists(shares, min_size=count, max_size=count)), dtype=torch.float64
    )
    return Composition.mixed(items, items.flip(0), lam)


def as_dicts(composition):
    rows = []
    for sources, parts in zip(
        composition.sources.tolist(), composition.shares.tolist(), strict=True
    ):
        row = {}
        for source, part in zip(sources, parts, strict=True):
            if source != UNKNOWN:
                row[source] = row.get(source, 0.0) + part
        rows.append(row)
    return rows


@pytest.mark.parametrize("dense", [1e-9, math.inf])  # matches alone; all pairs
@given(a=mixes(), b=mixes(), strangers=st.booleans())
def test_overlap_is_the_sum_of_smaller_shares(dense, a, b, strangers):
    if strangers:
        b = Composition.cat([Composition.unknown(2, torch.device("cpu")), b])
    expected = [
        [sum(min(p, other.get(s, 0.0)) for s, p in row.items()) for other in as_dicts(b)]
        for row in as_dicts(a)
    ]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("ilk.core.composition.MANY", 0)
        patch.setattr("ilk.core.composition.DENSE", dense)
        found = overlap(a, b)
    torch.testing.assert_close(found, torch.tensor(expected, dtype=torch.float64))


@given(mixes())
def test_a_row_is_wholly_of_its_own_kind(a):
    whole = overlap(a, a)
    torch.testing.assert_close(whole.diagonal(), torch.ones(len(a), dtype=torch.float64))
    torch.testing.assert_close(whole, whole.T)
    assert ((whole >= 0) & (whole <= 1 + 1e-12)).all()


@given(st.lists(shares, min_size=1, max_size=9))
def test_two_mixes_of_a_pair_overlap_as_in_the_closed_form(values):
    lam = torch.tensor(values, dtype=torch.float64)
    items = torch.arange(len(lam))
    mixed = Composition.mixed(items, items.flip(0), lam)
    found = overlap(mixed, mixed)[items, items.flip(0)]
    expected = 1 - (lam + lam.flip(0) - 1).abs()
    apart = items != items.flip(0)
    torch.testing.assert_close(found[apart], expected[apart])
    assert (found[~apart] == 1).all()


def test_a_picture_mixed_with_itself_is_plain():
    mixed = Composition.mixed(torch.tensor([4]), torch.tensor([4]), torch.tensor([0.3]))
    assert overlap(mixed, Composition.plain(torch.tensor([4]))).item() == 1


def test_nobody_is_kin_of_nobody():
    strangers = Composition.unknown(3, torch.device("cpu"))
    assert overlap(strangers, strangers).sum() == 0
    assert (strangers.sources == UNKNOWN).all()


@pytest.mark.parametrize("swap", [False, True])
def test_overlap_keeps_the_finer_precision(swap):
    fine = Composition.mixed(
        torch.tensor([0]), torch.tensor([1]), torch.tensor([0.1], dtype=torch.float64)
    )
    pair = (fine, Composition.plain(torch.tensor([0])))
    found = overlap(*(reversed(pair) if swap else pair))
    assert found.dtype == torch.float64
    assert found.item() == 0.1


@given(mixes(), mixes())
def test_joined_rows_overlap_as_the_parts_did(a, b):
    plain = Composition.plain(torch.arange(3))
    joined = Composition.cat([a, plain, b])
    found = overlap(a, joined)
    parts = torch.cat([overlap(a, a), overlap(a, plain), overlap(a, b)], 1)
    torch.testing.assert_close(found, parts)
    torch.testing.assert_close(
        joined.shares.sum(1), torch.ones(len(joined), dtype=torch.float64)
    )
