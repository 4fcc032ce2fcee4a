"""Maps and tokens of backbones, and heads that sit on them."""

import pytest
import torch
from torch import nn

from ilk.networks import (
    CentrePairs,
    EachPlace,
    Head,
    MeanOfPlaces,
    Network,
    backbone,
    check_heads,
    mlp,
)
from ilk.networks.places import map_grid

SIZES = {
    "resnet_mini": ({"widths": (8, 16), "depths": (1, 1)}, 16, (4, 4)),
    "resnet18": ({}, 512, (4, 4)),
    "vit_tiny_patch16_224": (
        {"patch_size": 8, "embed_dim": 32, "depth": 2, "num_heads": 2}, 32, (4, 4),
    ),
    "amdim_mini": ({"base_width": 4, "depth": 1, "feature_dim": 24}, 16, (5, 5)),
    "convnext_atto": ({}, 320, (1, 1)),
    "mobilenetv3_small_050": ({}, 288, (1, 1)),
}  # fmt: skip


@pytest.mark.parametrize("name", SIZES)
def test_map_tokens_and_feature_are_of_one_pass(name):
    options, width, grid = SIZES[name]
    trunk = backbone(name, image_size=32, options=options)
    network = Network(trunk).eval()
    images = torch.randn(3, 3, 32, 32)
    out = network(images, {"feature", "map", "tokens"})
    torch.testing.assert_close(out["feature"], trunk(images))
    assert trunk.place_width == width
    assert out["map"].shape == (3, width, *grid)
    assert torch.equal(out["map"].flatten(2).transpose(1, 2), out["tokens"])


def test_places_stand_where_they_are_in_the_image():
    """A change in one corner of a transformer without blocks stays in that corner."""
    options = {"patch_size": 8, "embed_dim": 32, "depth": 0, "num_heads": 2}
    trunk = backbone("vit_tiny_patch16_224", image_size=32, options=options)
    network = Network(trunk).eval()
    for size in ((32, 32), (32, 48)):
        images = torch.randn(1, 3, *size)
        changed = images.clone()
        changed[:, :, 16:24, 24:32] += 1
        out, other = (network(shown, {"map"})["map"] for shown in (images, changed))
        assert out.shape == (1, 32, size[0] // 8, size[1] // 8)
        moved = (out != other).any(dim=1)[0].nonzero().tolist()
        assert moved == [[2, 3]]


def test_the_map_of_swin_has_its_channels_in_front():
    with torch.device("meta"):
        trunk = backbone("swin_tiny_patch4_window7_224", image_size=224)
        shown = Network(trunk)(torch.zeros(2, 3, 224, 224), {"map", "tokens"})
    assert shown["map"].shape == (2, 768, 7, 7)
    assert shown["tokens"].shape == (2, 49, 768)


def test_what_has_no_places_says_so():
    network = Network(nn.Flatten(), {"local": Head(nn.Identity(), on="map")})
    with pytest.raises(ValueError, match="but Flatten has a feature alone"):
        network(torch.zeros(1, 3, 2, 2), {"local"})
    assert network(torch.zeros(1, 3, 2, 2), {"feature"})["feature"].shape == (1, 12)


def test_heads_on_places(conv):
    heads = {
        "dense": Head(EachPlace(mlp(16, 8, 5, layers=2)), on="map"),
        "tokens_of": Head(EachPlace(mlp(16, 8, 5, layers=2)), on="tokens"),
        "pooled": Head(nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten()), on="map"),
        "top": Head(nn.Linear(5, 3), on="dense", teacher=False),
    }
    check_heads(heads)
    network = Network(conv, heads).eval()
    out = network(torch.randn(2, 3, 32, 32), {"top", "pooled", "tokens_of", "feature"})
    assert {name: tuple(rows.shape) for name, rows in out.items()} == {
        "top": (2, 16, 3), "pooled": (2, 16), "tokens_of": (2, 16, 5), "feature": (2, 16),
    }  # fmt: skip
    torch.testing.assert_close(out["pooled"], out["feature"])
    assert [network.root(n) for n in ("top", "tokens_of", "feature")] == [
        "map", "tokens", "feature",
    ]  # fmt: skip


def test_each_place_is_a_row_of_its_own():
    head = mlp(4, 8, 3, layers=2)
    shown = torch.randn(2, 4, 3, 5)
    rows = torch.stack(
        [shown[b, :, h, w] for b in range(2) for h in range(3) for w in range(5)]
    )
    out = EachPlace(head)(shown)
    torch.testing.assert_close(out, head(rows).view(2, 15, 3))
    tokens = shown.flatten(2).transpose(1, 2)
    torch.testing.assert_close(EachPlace(head)(tokens), out)


def test_a_reversed_gradient_is_the_other_way_round_and_scaled(conv):
    straight = nn.Linear(16, 1)
    plain = Network(conv, {"domain": Head(straight)})
    turned = Network(conv, {"domain": Head(straight, reverse=0.5)})
    images = torch.randn(4, 3, 32, 32)
    grads = []
    for network, scales in ((plain, None), (turned, {"domain": 0.5})):
        network.zero_grad()
        out = network.eval()(images, {"domain"}, scales)["domain"]
        out.square().sum().backward()
        grads.append([p.grad.clone() for p in (*conv.parameters(), *straight.parameters())])
    below = len(list(conv.parameters()))
    for there, back in zip(*(g[:below] for g in grads), strict=True):
        torch.testing.assert_close(back, -0.5 * there)
    for there, same in zip(*(g[below:] for g in grads), strict=True):
        torch.testing.assert_close(same, there)


def test_the_mean_of_places_is_that_of_a_map_and_of_its_tokens():
    grid = torch.arange(24.0).view(2, 3, 2, 2)
    means = MeanOfPlaces()(grid)
    assert means.tolist() == [[1.5, 5.5, 9.5], [13.5, 17.5, 21.5]]
    assert torch.equal(MeanOfPlaces()(grid.flatten(2).transpose(1, 2)), means)


@pytest.mark.parametrize("name", SIZES)
def test_tiles_are_places_that_the_backbone_sees_alone(name):
    options = SIZES[name][0]
    trunk = backbone(name, image_size=32, options=options)
    heads = {
        "each": Head(EachPlace(nn.Linear(trunk.num_features, 5)), on="tokens"),
        "pairs": Head(CentrePairs(), on="each"),
    }
    network = Network(trunk, heads).eval()
    tiles = torch.randn(2, 9, 3, 32, 32)
    out = network(tiles, {"feature", "map", "tokens", "pairs"})
    alone = torch.stack([trunk(tiles[:, number]) for number in range(9)], dim=1)
    torch.testing.assert_close(out["tokens"], alone)
    torch.testing.assert_close(out["feature"], alone.mean(dim=1))
    torch.testing.assert_close(out["map"][:, :, 2, 1], alone[:, 7])
    each = heads["each"].module(alone)
    for number, other in enumerate((0, 1, 2, 3, 5, 6, 7, 8)):
        pair = torch.cat([each[:, 4], each[:, other]], dim=1)
        torch.testing.assert_close(out["pairs"][:, number], pair)


def test_a_clip_is_not_taken_for_tiles():
    options = {"widths": (4, 8, 8), "frames": 4}
    trunk = backbone("resnet_mini_3d", image_size=16, options=options)
    out = Network(trunk)(torch.randn(2, 3, 4, 16, 16), {"feature"})
    assert out["feature"].shape == (2, 8)


@pytest.mark.parametrize(
    ("name", "size", "stride", "side"),
    [
        ("resnet_mini", 32, 16, 2),
        ("resnet_mini", 33, 16, 3),
        ("resnet_mini", 36, 16, 3),
        ("resnet_mini", 97, 32, 4),
        ("vit_mini", 40, 5, 8),
        ("vit_mini", 48, 6, 8),
        ("amdim_mini", 32, 4, 5),
        ("amdim_mini", 64, 8, 5),
    ],
)
def test_places_are_so_far_apart(name, size, stride, side):
    network = backbone(name, image_size=size)
    assert map_grid(network, size, 3) == (stride, side) == (network.stride, network.map_side)
