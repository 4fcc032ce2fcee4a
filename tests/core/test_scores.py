import hypothesis.strategies as st
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given

from ilk.core import full, similarities


@pytest.mark.parametrize("cosine", [True, False])
def test_scores_match_a_loop_over_shared_and_own_candidates(cosine):
    torch.manual_seed(0)
    queries, shared = torch.randn(3, 5).double(), torch.randn(4, 5).double()
    own = torch.randn(3, 2, 5).double()
    found = similarities(queries, (shared, own), cosine=cosine)
    for i, query in enumerate(queries):
        for j, other in enumerate([*shared, *own[i]]):
            scale = query.norm() * other.norm() if cosine else 1.0
            torch.testing.assert_close(found[i, j], query @ other / scale)


def test_gradients_are_those_of_normalised_rows_and_a_row_of_zeros_is_like_nobody():
    torch.manual_seed(0)
    start = (
        torch.randn(3, 5).double(),
        torch.randn(4, 5).double(),
        torch.randn(3, 2, 5).double(),
    )
    cost = torch.randn(3, 6).double()
    ours, theirs = ([part.clone().requires_grad_() for part in start] for _ in range(2))
    (similarities(ours[0], tuple(ours[1:])) * cost).sum().backward()
    rows, shared, own = (F.normalize(part, dim=-1) for part in theirs)
    scores = torch.cat([rows @ shared.T, torch.einsum("qd,qmd->qm", rows, own)], dim=1)
    (scores * cost).sum().backward()
    for mine, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(mine.grad, other.grad)
    zeros = torch.zeros(1, 5).double()
    assert (similarities(start[0], (zeros,)) == 0).all()
    assert (similarities(zeros, (start[1],)) == 0).all()


@given(st.integers(1, 4), st.integers(1, 9))
def test_blocks_give_what_one_product_gives(blocks, rows):
    torch.manual_seed(blocks * 10 + rows)
    queries, parts = torch.randn(3, 4), [torch.randn(rows, 4) for _ in range(blocks)]
    torch.testing.assert_close(
        similarities(queries, tuple(parts)), similarities(queries, (torch.cat(parts),))
    )


def test_autocast_does_not_round_scores():
    torch.manual_seed(0)
    queries, keys = torch.randn(4, 16), torch.randn(4, 16)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = similarities(queries, (keys,))
        assert (queries @ keys.T).dtype == torch.bfloat16
    assert torch.equal(found, similarities(queries, (keys,)))
    assert similarities(queries.bfloat16(), (keys.half(),)).dtype == torch.float32


def test_double_stays_double():
    assert full(torch.ones(1, dtype=torch.float64)).dtype == torch.float64
    assert full(torch.ones(1, dtype=torch.float16)).dtype == torch.float32
