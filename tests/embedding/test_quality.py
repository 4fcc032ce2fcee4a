import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ilk.embedding import feature_std, rankme


def test_rankme_by_hand():
    # singular values 3 and 1: p = (3/4, 1/4), exp(entropy) = 4 / 3^(3/4)
    vectors = torch.diag(torch.tensor([3.0, 1.0]))
    assert rankme(vectors) == pytest.approx(4 / 3**0.75, rel=1e-5)


@pytest.mark.parametrize("dim", [1, 4, 64])
def test_rankme_of_orthonormal_rows_is_their_number(dim):
    assert rankme(5 * torch.eye(dim)) == pytest.approx(dim, rel=1e-4)


def test_rankme_of_collapsed_and_zero_rows():
    line = torch.randn(50, 1) * torch.randn(1, 16)
    assert rankme(line) == pytest.approx(1, abs=1e-3)
    assert rankme(torch.zeros(5, 3)) == 0.0


@given(rows=st.integers(1, 12), dim=st.integers(1, 12), seed=st.integers(0, 2**16))
@settings(max_examples=40, deadline=None)
def test_rankme_is_the_formula_and_ignores_scale_rotation_and_order(rows, dim, seed):
    rng = torch.Generator().manual_seed(seed)
    vectors = torch.randn(rows, dim, generator=rng)
    sigma = torch.linalg.svdvals(vectors.double())
    p = [s / sigma.sum().item() + 1e-7 for s in sigma.tolist()]
    expected = math.exp(-sum(share * math.log(share) for share in p))
    assert rankme(vectors) == pytest.approx(expected, rel=1e-4)
    turn = torch.linalg.qr(torch.randn(dim, dim, generator=rng)).Q
    moved = 7 * vectors[torch.randperm(rows, generator=rng)] @ turn
    assert rankme(moved) == pytest.approx(expected, rel=1e-3)
    assert 0.999 < expected <= min(rows, dim) + 1e-3


def test_feature_std_is_one_when_even_and_zero_when_collapsed():
    rng = torch.Generator().manual_seed(0)
    even = torch.randn(20_000, 32, generator=rng)
    assert feature_std(even) == pytest.approx(1, abs=0.02)
    assert feature_std(torch.ones(10, 32)) == pytest.approx(0, abs=1e-6)
    lengths = torch.arange(1.0, 11)[:, None] * torch.ones(1, 32)
    assert feature_std(lengths) == pytest.approx(0, abs=1e-6), "length is no spread"


def test_feature_std_by_a_slow_loop():
    vectors = torch.randn(7, 3, dtype=torch.float64)
    rows = [[x / math.sqrt(sum(y * y for y in row)) for x in row] for row in vectors.tolist()]
    deviations = []
    for column in zip(*rows, strict=True):
        mean = sum(column) / 7
        deviations.append(math.sqrt(sum((x - mean) ** 2 for x in column) / 7))
    expected = sum(deviations) / 3 * math.sqrt(3)
    assert feature_std(vectors) == pytest.approx(expected, rel=1e-5)
