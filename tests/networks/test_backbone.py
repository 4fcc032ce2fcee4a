import socket
import time

import pytest
import torch
from torch import nn

from ilk.core import UserError
from ilk.networks import backbone

TINY_VIT = {"embed_dim": 32, "depth": 1, "num_heads": 2}


@pytest.mark.parametrize(
    ("name", "image_size", "channels", "options"),
    [
        ("resnet_mini", 32, 3, {}),
        ("resnet_mini", 64, 5, {"widths": [8, 16, 24, 32], "depths": [1, 1, 1, 1]}),
        ("resnet18", 40, 1, {"layers": (1, 1, 1, 1), "channels": (8, 8, 8, 8)}),
        ("vit_tiny_patch16_224", 96, 3, TINY_VIT),
        ("vit_tiny_patch16_224", 100, 13, TINY_VIT),
        ("vit_tiny_patch16_224.augreg_in21k", 32, 3, {**TINY_VIT, "global_pool": "avg"}),
        ("swin_tiny_patch4_window7_224", 64, 2, {"embed_dim": 16, "depths": (1, 1, 1, 1)}),
        ("mobilenetv3_small_050", 48, 3, {}),
    ],
)
def test_features_have_the_promised_width(name, image_size, channels, options):
    net = backbone(name, image_size=image_size, channels=channels, options=options)
    assert net.training
    assert net(torch.randn(2, channels, image_size, image_size)).shape == (2, net.num_features)


def test_vision_transformer_takes_crops_of_any_size():
    net = backbone("vit_tiny_patch16_224", image_size=64, options=TINY_VIT)
    assert net(torch.randn(2, 3, 32, 48)).shape == (2, 32)
    assert net.pos_embed.shape == (1, 1 + 4 * 4, 32)


@pytest.mark.parametrize(
    ("image_size", "stride", "kernel", "pooled", "last"),
    [
        (32, 1, 3, False, 4),
        (48, 1, 3, False, 6),
        (64, 1, 3, True, 4),
        (96, 1, 3, True, 6),
        (128, 2, 7, True, 4),
    ],
)
def test_stem_of_resnet_fits_the_image(image_size, stride, kernel, pooled, last):
    options = {"layers": (1, 1, 1, 1), "channels": (8, 8, 8, 8)}
    net = backbone("resnet18", image_size=image_size, options=options)
    assert net.conv1.stride == (stride, stride)
    assert net.conv1.kernel_size == (kernel, kernel)
    assert isinstance(net.maxpool, nn.MaxPool2d) == pooled
    maps = net.forward_features(torch.zeros(1, 3, image_size, image_size))
    assert maps.shape[-2:] == (last, last)


def test_stem_of_three_convolutions_keeps_them():
    net = backbone("resnet10t", image_size=32)
    assert [layer.stride[0] for layer in net.conv1 if isinstance(layer, nn.Conv2d)] == [1, 1, 1]
    assert isinstance(net.maxpool, nn.Identity)


def test_stem_option_overrules_the_size():
    options = {"layers": (1, 1, 1, 1), "channels": (8, 8, 8, 8)}
    plain = backbone("resnet18", image_size=32, options={**options, "stem": "plain"})
    small = backbone("resnet18", image_size=128, options={**options, "stem": "small"})
    assert plain.conv1.kernel_size == (7, 7)
    assert isinstance(small.maxpool, nn.Identity)


def test_own_network_reaches_its_stages_alike_at_32_and_64_px():
    maps = [
        backbone("resnet_mini", image_size=size).stem(torch.zeros(1, 3, size, size)).shape[-2:]
        for size in (32, 64)
    ]
    assert maps[0] == maps[1] == (16, 16)


def test_drop_path_reaches_the_last_block():
    net = backbone(
        "vit_tiny_patch16_224", image_size=32, options=TINY_VIT | {"depth": 2}, drop_path=0.3
    )
    assert net.blocks[1].drop_path1.drop_prob == pytest.approx(0.3)
    own = backbone("resnet_mini", image_size=32, drop_path=0.3)
    assert own.stages[-1][0].drop_path.drop_prob == pytest.approx(0.3)


def test_a_rate_that_a_person_names_holds_against_that_of_the_method():
    named = {"drop_path_rate": 0.1}
    network = backbone("resnet_mini", image_size=32, options=named, drop_path=0.3)
    assert network.stages[-1][0].drop_path.drop_prob == pytest.approx(0.1)
    without = {"drop_path_rate": 0.0}
    network = backbone("resnet_mini", image_size=32, options=without, drop_path=0.3)
    assert not any(getattr(part, "drop_prob", 0) for part in network.modules())


def test_weights_follow_the_seed_and_nothing_is_fetched(monkeypatch):
    def refuse(*_: object) -> None:
        raise AssertionError("went to the network")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    nets = []
    for _ in range(2):
        torch.manual_seed(3)
        nets.append(backbone("vit_tiny_patch16_224", image_size=32, options=TINY_VIT))
    first, second = (net.state_dict() for net in nets)
    assert all(torch.equal(first[name], second[name]) for name in first)


@pytest.mark.parametrize(
    ("name", "options", "drop_path", "says"),
    [
        ("resnet_minni", {}, 0.0, "resnet_mini"),
        ("hf-hub:timm/resnet18", {}, 0.0, "plain name"),
        ("resnet18", {"widths": 3}, 0.0, "widths"),
        ("resnet18", {"stem": "tiny"}, 0.0, "small, pooled, plain"),
        ("resnet_mini", {"embed_dim": 3}, 0.0, "widths, depths"),
        ("vit_tiny_patch16_224", {**TINY_VIT, "patch_size": 64}, 0.0, "3 x 32 x 32"),
        ("vit_tiny_patch16_224", {**TINY_VIT, "global_pool": ""}, 0.0, "global_pool"),
        ("hardcorenas_a", {"bottleneck": 2}, 0.0, "bottleneck"),
        ("vgg11", {}, 0.1, "drop_path_rate"),
    ],
)
def test_what_cannot_be_built_is_said_in_one_line(name, options, drop_path, says):
    with pytest.raises(UserError, match=says) as caught:
        backbone(name, image_size=32, options=options, drop_path=drop_path)
    assert "\n" not in str(caught.value)


def test_missing_published_weights_fail_at_once(monkeypatch, tmp_path):
    def unreachable(*_: object) -> None:
        raise socket.gaierror("no network")

    monkeypatch.setattr(socket, "getaddrinfo", unreachable)
    monkeypatch.setattr("urllib.request.getproxies", dict)
    monkeypatch.setattr("ilk.networks.hub.getproxies", dict)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    start = time.monotonic()
    with pytest.raises(UserError, match="local cache or within reach") as caught:
        backbone("resnet10t", image_size=224, options={"pretrained": True})
    assert "Please check" not in str(caught.value)  # a second sentence, that would be cut off
    assert time.monotonic() - start < 20  # the client alone takes 47 s
