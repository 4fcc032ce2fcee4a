"""What counts in an image, against attention that timm computes without its fused kernel."""

import pytest
import timm
import torch
import torch.nn.functional as F

from ilk.networks import load_encoder
from ilk.networks.attention import CLASS_TOKEN, LIKENESS, POOLING, looked_at

IMAGES = torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("options", [{}, {"qk_norm": True}, {"reg_tokens": 3}])
def test_the_class_token_of_a_transformer(options):
    torch.manual_seed(0)
    network = timm.create_model(
        "vit_tiny_patch16_224", img_size=32, patch_size=8, depth=3, num_classes=0, **options
    ).eval()
    found = looked_at(network, IMAGES)
    seen: list[torch.Tensor] = []
    last = network.blocks[-1].attn
    last.fused_attn = False
    last.attn_drop.register_forward_pre_hook(lambda _m, given: seen.append(given[0]))
    shown = network.forward_features(IMAGES)
    prefix = network.num_prefix_tokens
    expected = seen[0].mean(1)[:, 0, prefix:].view(2, 4, 4)
    assert found.kind == CLASS_TOKEN
    torch.testing.assert_close(found.weights, expected)
    assert (found.weights.sum((1, 2)) < 1).all()
    torch.testing.assert_close(
        found.places.flatten(2).transpose(1, 2), shown[:, prefix:], rtol=1e-4, atol=1e-5
    )


def test_the_query_that_pools():
    torch.manual_seed(0)
    network = timm.create_model(
        "vit_tiny_patch16_224", img_size=32, patch_size=8, depth=2, num_classes=0,
        class_token=False, global_pool="map",
    ).eval()  # fmt: skip
    found = looked_at(network, IMAGES)
    pool, tokens = network.attn_pool, network.forward_features(IMAGES)
    expected = torch.zeros(2, 16)
    width = pool.head_dim
    for image in range(2):
        keys = F.linear(tokens[image], *(p[:192] for p in (pool.kv.weight, pool.kv.bias)))
        query = pool.q(pool.latent[0, 0])
        for head in range(pool.num_heads):
            part = slice(width * head, width * head + width)
            logits = torch.stack([key[part] @ query[part] / width**0.5 for key in keys])
            expected[image] += logits.softmax(0) / pool.num_heads
    assert found.kind == POOLING
    torch.testing.assert_close(found.weights.flatten(1), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", ["resnet_mini", "vit"])
def test_the_similarity_to_the_feature(name):
    if name == "vit":  # the mean of tokens is its feature: there is no query to show
        network = timm.create_model(
            "vit_tiny_patch16_224", img_size=32, patch_size=8, depth=2, num_classes=0,
            class_token=False, global_pool="avg", fc_norm=False,
        ).eval()  # fmt: skip
    else:
        network = load_encoder("random:resnet_mini", image_size=32).module
    found = looked_at(network, IMAGES)
    assert found.kind == LIKENESS
    feature = network(IMAGES)
    for image in range(2):
        for row in range(found.places.shape[2]):
            for column in range(found.places.shape[3]):
                place = found.places[image, :, row, column]
                expected = place @ feature[image] / place.norm() / feature[image].norm()
                assert found.weights[image, row, column] == pytest.approx(
                    expected.item(), abs=1e-5
                )
