"""The encoder of AMDIM: what a place sees, and by which formula."""

import pytest
import torch
import torch.nn.functional as F

from ilk.core import UserError
from ilk.method import Given
from ilk.methods import recipe
from ilk.networks import Network, backbone, encode, load_encoder
from ilk.networks.tuning import Tuning, layers, possible_parts, tune

SMALL = {"base_width": 4, "depth": 2, "feature_dim": 32}


def built(size: int, **options: int) -> torch.nn.Module:
    """One whose every convolution counts; as it is made, the second ones are zeros."""
    torch.manual_seed(0)
    network = backbone("amdim_mini", image_size=size, options={**SMALL, **options}).eval()
    for parameter in network.parameters():
        parameter.data.add_(0.1 * torch.randn_like(parameter))
    return network


# Pixels that a place sees, and from one place to the next: of the fine map, then of the coarse.
@pytest.mark.parametrize(
    ("size", "seen", "stride"), [(32, (8, 16), 4), (64, (16, 32), 8), (128, (35, 67), 16)]
)
def test_a_place_sees_a_square_of_the_image_and_nothing_else(size, seen, stride):
    network = built(size)
    images = torch.randn(1, 3, size, size, requires_grad=True)
    first = -2 if size == 128 else 0  # two pixels that reflect others stand before the border
    for number, (places, pixels) in enumerate(zip((7, 5), seen, strict=True)):
        shown = network.forward_intermediates(images)[1][number]
        assert shown.shape[2:] == (places, places)
        for y, x in ((0, 0), (2, 3), (places - 1, places - 1)):
            (moved,) = torch.autograd.grad(shown[0, :, y, x].sum(), images, retain_graph=True)
            rows, columns = moved[0].abs().sum(0).nonzero().unbind(1)
            for along, place in ((rows, y), (columns, x)):
                begin, end = first + stride * place, first + stride * place + pixels
                assert along.min() == max(begin, 0)
                assert along.max() == min(end, size) - 1


# Counted in the code of the authors, with whose outputs these networks agreed to the last bit.
@pytest.mark.parametrize(
    ("size", "width", "depth", "feature", "weights"),
    [(32, 8, 3, 64, 62_176), (64, 8, 2, 64, 174_176), (128, 4, 3, 48, 56_676)],
)
def test_it_has_as_many_weights_as_the_authors(size, width, depth, feature, weights):
    network = built(size, base_width=width, depth=depth, feature_dim=feature)
    assert sum(parameter.numel() for parameter in network.parameters()) == weights
    assert network(torch.randn(2, 3, size, size)).shape == (2, feature)


def test_a_layer_adds_two_convolutions_to_the_mean_of_a_square():
    layer = built(32).blocks[1][0].double()
    shown = torch.randn(2, 4, 8, 8, dtype=torch.float64)
    found = layer(shown)
    assert (layer.kernel, layer.stride, found.shape) == (4, 2, (2, 8, 3, 3))
    first, second = layer.first.weight.flatten(1), layer.second.weight.flatten(1)
    for y in range(3):
        for x in range(3):
            square = shown[:, :, 2 * y : 2 * y + 4, 2 * x : 2 * x + 4]
            added = (square.flatten(1) @ first.T).relu() @ second.T
            means = torch.cat([square.mean((2, 3)), torch.zeros(2, 4)], dim=1)
            torch.testing.assert_close(found[:, :, y, x], means + added)


def test_the_first_features_are_means():
    torch.manual_seed(0)
    network = backbone("amdim_mini", image_size=32, options=SMALL).eval()
    images = torch.randn(2, 3, 32, 32)
    shown, (fine, _) = network.forward_intermediates(images)
    means = network.stem(images)
    for kernel, stride in ((4, 2), (2, 2)):
        means = F.avg_pool2d(means, kernel, stride)
    torch.testing.assert_close(fine[:, :4], means)
    assert not fine[:, 4:].any()
    torch.testing.assert_close(shown[:, :4], F.avg_pool2d(means, 3, 1))


def test_images_do_not_see_one_another_in_a_map():
    network = built(32).train()
    images = torch.randn(3, 3, 32, 32)
    torch.testing.assert_close(
        network.forward_features(images)[:1], network.forward_features(images[:1])
    )


@pytest.mark.parametrize(("size", "seen", "grid"), [(32, 48, 9), (64, 96, 9), (128, 160, 7)])
def test_larger_images_have_more_places(size, seen, grid):
    network = built(size)
    images = torch.randn(2, 3, seen, seen)
    shown = network.forward_features(images)
    assert shown.shape[2:] == (grid, grid)
    parts = network.norm(network.blocks[network.halved + 1 :](shown))
    torch.testing.assert_close(network(images), parts.mean((2, 3)))


def test_amdim_has_1_5_and_7_places_a_side():
    network = built(32)
    given = Given(width=32, size=32, place_width=16, early=(16, 7))
    heads = recipe("amdim", {"dim": 8}).build(given).heads
    out = Network(network, heads).eval()(torch.randn(2, 3, 32, 32), {"whole", "coarse", "fine"})
    assert {name: tuple(rows.shape) for name, rows in out.items()} == {
        "whole": (2, 8), "coarse": (2, 25, 8), "fine": (2, 49, 8),
    }  # fmt: skip


def test_an_encoder_shows_its_map():
    encoder = load_encoder("random:amdim_mini", image_size=32, options=SMALL)
    images = torch.randint(0, 256, (3, 3, 32, 32), dtype=torch.uint8)
    assert encode(encoder, images, "map").shape == (3, 16, 5, 5)
    assert encode(encoder, images, "tokens").shape == (3, 25, 16)
    assert encode(encoder, images).shape == (3, encoder.feature_dim) == (3, 32)


def test_its_layers_are_known_from_the_image_on():
    network = backbone("amdim_mini", image_size=64, options=SMALL, drop_path=0.2)
    found = layers(network)
    assert found["stem.0.weight"] < found["blocks.0.0.first.weight"]
    assert found["blocks.4.1.second.weight"] < found["blocks.5.first.weight"]
    assert possible_parts(network) == {"full", "norms", "last"}
    tune(network, Tuning(parts="last", blocks=1))
    learning = {name for name, weight in network.named_parameters() if weight.requires_grad}
    assert learning == {
        "blocks.5.first.weight", "blocks.5.second.weight", "norm.weight", "norm.bias",
    }  # fmt: skip
    rates = [part.drop_prob for part in network.modules() if hasattr(part, "drop_prob")]
    assert rates == pytest.approx([0.2 * number / 10 for number in range(11)])


@pytest.mark.parametrize(
    ("size", "options", "words"),
    [
        (31, {}, "images of at least 32 px, got 31"),
        (32, {"feature_dim": 15}, "feature_dim of amdim_mini must be at least 16"),
        (32, {"depth": 0}, "whole numbers above 0"),
        (32, {"base_width": [4]}, "whole numbers above 0"),
        (32, {"widths": [4]}, "takes base_width, depth, feature_dim, got widths"),
    ],
)
def test_what_cannot_be_built_is_said(size, options, words):
    with pytest.raises(UserError, match=words):
        backbone("amdim_mini", image_size=size, options={**SMALL, **options})


def test_smaller_views_are_refused():
    with pytest.raises(UserError, match=r"at least 64 px, got 48 px; take larger views"):
        built(64)(torch.zeros(1, 3, 48, 48))
