"""What of a backbone learns, and LoRA, which begins at nothing and can be merged."""

from copy import deepcopy

import pytest
import torch
from torch import nn

from ilk.core import UserError
from ilk.networks import Tuning, backbone, merged, possible_parts, rates, set_modes, tune
from ilk.networks.lora import lora_places
from ilk.networks.tuning import last_blocks, layers, norms

VIT = {"patch_size": 8, "embed_dim": 24, "depth": 3, "num_heads": 2}
# Attention that reads the weight past its module, that has matrices of its own, and windows.
ATTENTION = {
    "vit_tiny_patch16_224": VIT,
    "beit_base_patch16_224": {**VIT},
    "eva02_tiny_patch14_224": {**VIT, "qkv_fused": False},
    "swin_tiny_patch4_window7_224": {"embed_dim": 24, "depths": [1, 1], "num_heads": [2, 4],
                                     "window_size": 4, "patch_size": 2},
}  # fmt: skip


def made(name="vit_tiny_patch16_224", options=VIT, seed=0) -> nn.Module:
    torch.manual_seed(seed)
    return backbone(name, image_size=32, options=options)


def learning(network: nn.Module) -> set[str]:
    return {name for name, p in network.named_parameters() if p.requires_grad}


def shaken(network: nn.Module, size: float = 0.05) -> nn.Module:
    """As if it had learned."""
    torch.manual_seed(7)
    with torch.no_grad():
        for parameter in network.parameters():
            if parameter.requires_grad:
                parameter.add_(size * torch.randn_like(parameter))
    return network


@pytest.mark.parametrize(("name", "options"), ATTENTION.items())
def test_lora_begins_as_the_frozen_network_and_merges_into_a_plain_one(name, options):
    plain, images = made(name, options).eval(), torch.randn(2, 3, 32, 32)
    tuned = deepcopy(plain)
    tune(tuned, Tuning(parts="lora", rank=4))
    assert torch.equal(tuned(images), plain(images))
    shaken(tuned)
    away = tuned(images) - plain(images)
    assert away.abs().max() > 1e-3
    only_lora = deepcopy(tuned)
    with torch.no_grad():
        for key, parameter in only_lora.named_parameters():
            if key.endswith(".0.up"):
                parameter.zero_()
    assert (only_lora(images) - tuned(images)).abs().max() > 1e-4, "LoRA changes something"
    whole = merged(tuned)
    torch.testing.assert_close(whole(images), tuned(images), atol=1e-5, rtol=0)
    assert whole.state_dict().keys() == plain.state_dict().keys()
    plain.load_state_dict(whole.state_dict())
    torch.testing.assert_close(plain(images), whole(images), atol=1e-6, rtol=0)
    assert merged(plain) is plain


def test_lora_changes_queries_and_values_by_a_product_of_thin_matrices():
    """Hu et al., section 4: W + B A, here for each of q and v, slowly and one by one."""
    plain = made()
    tuned = deepcopy(plain)
    tune(tuned, Tuning(parts="lora", rank=4))
    shaken(tuned)
    before, after = (net.blocks[0].attn.qkv.weight for net in (plain, merged(tuned)))
    change = tuned.blocks[0].attn.qkv.parametrizations.weight[0]
    slow = before.detach().clone()
    for part, start in ((0, 0), (1, 48)):
        for row in range(24):
            for r in range(4):
                slow[start + row] += change.up[part, row, r] * change.down[part, r]
    torch.testing.assert_close(after, slow, atol=1e-6, rtol=0)
    assert torch.equal(after[24:48], before[24:48]), "keys stay"
    assert torch.equal(merged(tuned).blocks[1].mlp.fc1.weight, plain.blocks[1].mlp.fc1.weight)


def test_what_learns():
    whole = {f"blocks.2.{name}" for name, _ in made().blocks[2].named_parameters()}
    every = {"norm.weight", "norm.bias"} | {
        f"blocks.{i}.norm{j}.{kind}"
        for i in range(3) for j in (1, 2) for kind in ("weight", "bias")
    }  # fmt: skip
    change = {
        f"blocks.{i}.attn.qkv.parametrizations.weight.0.{side}"
        for i in range(2) for side in ("up", "down")
    }  # fmt: skip
    for parts, expected in (
        ("norms", every), ("last", every | whole), ("lora", every | whole | change),
    ):  # fmt: skip
        network = made()
        tune(network, Tuning(parts=parts, rank=4))
        assert learning(network) == expected, parts
    network = made()
    tune(network, Tuning(parts="full"))
    assert learning(network) == {name for name, _ in network.named_parameters()}


@pytest.mark.parametrize(
    ("name", "options", "last"),
    [
        ("resnet_mini", {"widths": [8, 16], "depths": [1, 2]}, "stages.1.1"),
        ("resnet18", {}, "layer4.1"),
        ("tf_efficientnet_lite0", {}, "blocks.6.0"),
        ("convnext_atto", {}, "stages.3.blocks.1"),
    ],
)
def test_the_last_block_of_networks_without_attention(name, options, last):
    network = made(name, options)
    tune(network, Tuning(parts="last"))
    matrices = {n for n, p in network.named_parameters() if p.ndim > 1 and p.requires_grad}
    assert matrices
    assert all(n.startswith((last, "conv_head")) for n in matrices), matrices
    assert norms(network) <= learning(network)
    assert possible_parts(network) == {"full", "last", "norms"}
    with pytest.raises(UserError, match='lora changes .* got one without; give tune="last"'):
        tune(made(name, options), Tuning(parts="lora"))


def test_lora_needs_attention_that_does_not_learn_whole():
    one = {**VIT, "depth": 1}
    assert "lora" not in possible_parts(made(options=one))
    with pytest.raises(UserError, match="attention below the last"):
        tune(made(options=one), Tuning(parts="lora"))
    network = made(options=one)
    tune(network, Tuning(parts="lora", blocks=0))
    assert any("parametrizations" in name for name in learning(network))
    with pytest.raises(UserError, match="blocks must be fewer than the 4 layers"):
        tune(made(), Tuning(parts="last", blocks=4))


def test_where_rows_are_not_known_there_is_no_lora():
    """MaxViT and TinyViT keep query, key and value of a head together."""
    network = made("maxvit_rmlp_pico_rw_256", {})
    assert any("qkv" in name for name, _ in network.named_parameters())
    assert not lora_places(network)


def test_rates_fall_from_layer_to_layer():
    network = made()
    found = rates(network, Tuning(parts="full", rate=0.1, layer_decay=0.5))
    assert found["norm.weight"] == found["blocks.2.mlp.fc1.weight"] == 0.1
    assert found["blocks.0.attn.qkv.weight"] == pytest.approx(0.025)
    assert found["patch_embed.proj.weight"] == found["pos_embed"] == pytest.approx(0.0125)
    tune(network, tuning := Tuning(parts="lora", rank=2, rate=0.1))
    assert set(rates(network, tuning)) == learning(network)
    assert set(rates(network, tuning).values()) == {0.1}


def test_a_network_whose_layers_are_not_known():
    network = nn.Sequential(nn.Linear(3, 3), nn.LayerNorm(3))
    assert set(layers(network).values()) == {0}
    assert possible_parts(network) == {"full", "norms"}
    with pytest.raises(UserError, match='tune="norms"'):
        last_blocks(network, 1)


@pytest.mark.parametrize("name", ["resnet_mini_1d", "resnet_mini_3d"])
def test_our_own_networks_know_their_layers(name):
    network = backbone(name, image_size=16)
    tune(network, Tuning(parts="last"))
    matrices = {n for n, p in network.named_parameters() if p.ndim > 1 and p.requires_grad}
    assert {n.rpartition(".body")[0] or n.rpartition(".shortcut")[0] for n in matrices} == {
        "blocks.2"
    }


def test_statistics_of_frozen_parts_stay():
    options = {"widths": [8, 16], "depths": [1, 1]}
    for parts, moving in (("last", ["stages.1"]), ("norms", []), ("full", ["stem", "stages"])):
        network = made("resnet_mini", options)
        tuning = Tuning(parts=parts)
        tune(network, tuning)
        set_modes(network, tuning, resting=False)
        before = {n: b.clone() for n, b in network.named_buffers()}
        network(torch.randn(8, 3, 32, 32) + 3)
        moved = {n for n, b in network.named_buffers() if not torch.equal(b, before[n])}
        assert moved == {n for n in before if n.startswith(tuple(moving))}, parts
        set_modes(network, tuning, resting=True)
        before = {n: b.clone() for n, b in network.named_buffers()}
        network(torch.randn(8, 3, 32, 32) + 3)
        assert all(torch.equal(b, before[n]) for n, b in network.named_buffers())


@pytest.mark.parametrize(
    ("field", "value"),
    [("rank", 0), ("blocks", 0), ("head_steps", -1), ("rate", 0.0), ("rate", 2.0),
     ("layer_decay", 1.5)],
)  # fmt: skip
def test_numbers_out_of_range_are_refused(field, value):
    with pytest.raises(UserError, match=f"tune: {field} must be"):
        Tuning(**{"parts": "last", field: value})
