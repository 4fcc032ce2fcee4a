import math

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from ilk.core import UserError
from ilk.networks import Prototypes, dino_head, item_classifier, mlp


def kinds(head):
    return [type(layer).__name__ for layer in head]


def test_moco_v3_projector():
    head = mlp(24, 32, 16, layers=3, bias=False, last_batch_norm="plain")
    assert kinds(head) == ["Linear", "BatchNorm1d", "ReLU"] * 2 + ["Linear", "BatchNorm1d"]
    assert all(layer.bias is None for layer in head if isinstance(layer, nn.Linear))
    assert head[-1].weight is None
    out = head(torch.randn(64, 24))
    torch.testing.assert_close(out.mean(0), torch.zeros(16), atol=1e-5, rtol=0)
    torch.testing.assert_close(out.std(0, correction=0), torch.ones(16), atol=1e-3, rtol=0)


def test_moco_v2_projector_has_biases_and_no_norm():
    head = mlp(24, 32, 16, layers=2, batch_norm=False)
    assert kinds(head) == ["Linear", "ReLU", "Linear"]
    assert all(layer.bias is not None for layer in head if isinstance(layer, nn.Linear))
    x = torch.randn(5, 24)
    first, last = head[0], head[2]
    expected = (x @ first.weight.T + first.bias).clamp(min=0) @ last.weight.T + last.bias
    torch.testing.assert_close(head(x), expected)


@pytest.mark.parametrize(
    ("settings", "last", "biased"),
    [
        ({}, "Linear", [False, True]),  # BYOL, SwAV, VICReg, SimSiam's predictor
        ({"bias": False}, "Linear", [False, False]),  # Barlow Twins
        ({"last_batch_norm": "affine"}, "BatchNorm1d", [False, False]),  # SimCLR, NNCLR
    ],
)
def test_bias_only_where_no_norm_cancels_it(settings, last, biased):
    head = mlp(24, 32, 16, layers=2, **settings)
    assert kinds(head)[-1] == last
    assert [layer.bias is not None for layer in head if isinstance(layer, nn.Linear)] == biased


def test_one_layer_is_linear():
    assert kinds(mlp(4, 99, 2, layers=1)) == ["Linear"]
    with pytest.raises(ValueError, match="at least 1"):
        mlp(4, 4, 4, layers=0)


def test_dino_head():
    torch.manual_seed(0)
    head = dino_head(384)
    assert kinds(head) == ["Linear", "GELU", "Linear", "GELU", "Linear"]
    assert [layer.out_features for layer in head if isinstance(layer, nn.Linear)] == [
        2048,
        2048,
        256,
    ]
    assert head[2].weight.std().item() == pytest.approx(0.02, rel=0.01)
    assert not any(layer.bias.any() for layer in head if isinstance(layer, nn.Linear))


@settings(max_examples=25, deadline=None)
@given(
    rows=st.integers(1, 5),
    dim=st.integers(1, 6),
    count=st.integers(1, 7),
    seed=st.integers(0, 99),
)
def test_scores_are_cosines(rows, dim, count, seed):
    torch.manual_seed(seed)
    prototypes = Prototypes(dim, count)
    x = torch.randn(rows, dim)
    scores = prototypes(x)
    for i in range(rows):
        for k in range(count):
            w = prototypes.weight[k].detach().double()
            cosine = sum(x[i].double() * w) / math.sqrt(sum(x[i].double() ** 2) * sum(w**2))
            assert scores[i, k].item() == pytest.approx(cosine.item(), abs=1e-5)
    torch.testing.assert_close(prototypes(3 * x), scores)


def test_same_as_dinos_weight_normalised_layer():
    torch.manual_seed(0)
    prototypes = Prototypes(8, 5, learn_scale=True)
    last = nn.utils.parametrizations.weight_norm(nn.Linear(8, 5, bias=False))
    weights = last.parametrizations.weight
    with torch.no_grad():
        weights.original0.fill_(1)  # g
        weights.original1.copy_(prototypes.weight)  # v
    x = torch.randn(6, 8)
    ours, theirs = prototypes(x), last(F.normalize(x, dim=-1))
    torch.testing.assert_close(ours, theirs)
    target = torch.randn(6, 5)
    (ours * target).sum().backward()
    (theirs * target).sum().backward()
    torch.testing.assert_close(prototypes.weight.grad, weights.original1.grad)
    torch.testing.assert_close(prototypes.scale.grad, weights.original0.grad)


def test_scores_keep_full_precision_under_autocast():
    prototypes = Prototypes(8, 5)
    x = torch.randn(6, 8)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        scores = prototypes(x)
    assert scores.dtype == torch.float32
    torch.testing.assert_close(scores, prototypes(x))


def test_a_classifier_of_items_has_a_row_each_and_an_end():
    head = item_classifier(3, 5)
    assert head.weight.shape == (5, 3)
    assert head.bias is None
    with (
        torch.device("meta"),
        pytest.raises(UserError, match="1,000,000 at most, got 1,281,167"),
    ):
        item_classifier(2048, 1_281_167)
