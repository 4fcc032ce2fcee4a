import math

import pytest
import torch

from ilk.networks import (
    backbone,
    dino_class_token,
    fixed_sincos_positions,
    frozen_patch_projection,
    moco_v3_stem,
    moco_v3_weights,
)


def test_positions_by_hand(vit):
    fixed_sincos_positions(vit)
    table = vit.pos_embed[0]
    assert not vit.pos_embed.requires_grad
    assert not table[0].any()  # the class token
    grid, quarter = 4, 32 // 4
    for row in range(grid):
        for column in range(grid):
            token = table[1 + row * grid + column]
            for k in range(quarter):
                omega = 10_000.0 ** (-k / quarter)
                expected = (
                    math.sin(row * omega),
                    math.cos(row * omega),
                    math.sin(column * omega),
                    math.cos(column * omega),
                )
                found = [token[part * quarter + k].item() for part in range(4)]
                assert found == pytest.approx(expected, abs=1e-6)


def test_positions_need_a_width_in_quarters():
    options = {"patch_size": 8, "embed_dim": 30, "depth": 1, "num_heads": 2}
    net = backbone("vit_tiny_patch16_224", image_size=32, options=options)
    with pytest.raises(ValueError, match="multiple of 4"):
        fixed_sincos_positions(net)


def test_weights_fill_xaviers_range(vit):
    moco_v3_weights(vit)
    block = vit.blocks[0]
    for tensor, fans in (
        (block.attn.qkv.weight, 32 + 32),  # query, key and value each 32 x 32
        (block.attn.proj.weight, 32 + 32),
        (block.mlp.fc1.weight, 32 + 128),
        (vit.patch_embed.proj.weight, 3 * 8 * 8 + 32),
    ):
        bound = math.sqrt(6 / fans)
        assert 0.97 * bound < tensor.abs().max() <= bound
        assert tensor.std().item() == pytest.approx(bound / math.sqrt(3), rel=0.1)
    assert not block.attn.qkv.bias.any()
    assert not vit.patch_embed.proj.bias.any()
    assert 0 < vit.cls_token.abs().max() < 1e-5


def test_stem_freezes_projection_and_positions_only(vit):
    moco_v3_stem(vit)
    frozen = {name for name, p in vit.named_parameters() if not p.requires_grad}
    assert frozen == {"pos_embed", "patch_embed.proj.weight", "patch_embed.proj.bias"}
    vit(torch.randn(2, 3, 32, 32)).sum().backward()
    assert vit.patch_embed.proj.weight.grad is None
    assert vit.cls_token.grad is not None


def test_dinos_class_token_has_the_deviation_of_its_other_weights():
    options = {"embed_dim": 768, "depth": 1, "num_heads": 2}
    net = backbone("vit_tiny_patch16_224", image_size=32, options=options)
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    assert net.cls_token.abs().max() < 1e-5
    dino_class_token(net)
    assert net.cls_token.std().item() == pytest.approx(0.02, rel=0.1)
    changed = {
        k for k, tensor in net.state_dict().items() if not torch.equal(tensor, before[k])
    }
    assert changed == {"cls_token"}


@pytest.mark.parametrize(
    "change",
    [
        dino_class_token,
        fixed_sincos_positions,
        frozen_patch_projection,
        moco_v3_weights,
        moco_v3_stem,
    ],
)
def test_other_networks_stay_as_they_are(change, conv):
    before = {name: tensor.clone() for name, tensor in conv.state_dict().items()}
    change(conv)
    assert all(torch.equal(tensor, before[name]) for name, tensor in conv.state_dict().items())
    assert all(parameter.requires_grad for parameter in conv.parameters())


def test_twelve_heads_are_an_option():
    options = {"num_heads": 12, "depth": 1}
    net = backbone("vit_small_patch16_224", image_size=32, options=options)
    assert net.blocks[0].attn.num_heads == 12
