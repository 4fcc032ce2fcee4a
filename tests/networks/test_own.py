"""Small networks of our own for clips and windows."""

import pytest
import torch

from ilk.core import UserError
from ilk.data import Arrays
from ilk.embedding import embed
from ilk.networks import backbone, fastest_layout, frame_count, item_kind, load_encoder

SHAPES = {"resnet_mini_1d": (2, 3, 40), "resnet_mini_3d": (2, 3, 8, 32, 32)}


@pytest.mark.parametrize("name", SHAPES)
@pytest.mark.parametrize("drop_path", [0.0, 0.2])
def test_every_weight_learns_from_items_of_any_length(name, drop_path):
    torch.manual_seed(1)  # with which no block is dropped for both items
    network = backbone(name, image_size=32, options={"depths": [2, 1, 1]}, drop_path=drop_path)
    shape = SHAPES[name]
    features = network(torch.randn(shape))
    assert features.shape == (2, network.num_features)
    features.square().sum().backward()
    for weight in network.parameters():
        assert weight.grad is not None
        assert weight.grad.abs().sum() > 0
    longer = torch.randn(*shape[:2], shape[2] + 5, *shape[3:])
    assert network.eval()(longer).shape == features.shape
    network.to(memory_format=fastest_layout(network))


def test_the_name_says_what_is_read():
    assert [item_kind(name) for name in ("resnet18", "resnet_mini")] == ["image", "image"]
    assert item_kind("resnet_mini_1d") == "window"
    assert item_kind("resnet_mini_3d") == "clip"
    assert frame_count("resnet_mini_3d", {}) == 8
    assert frame_count("resnet_mini_3d", {"frames": 4}) == 4
    assert frame_count("resnet_mini", {}) == 1


@pytest.mark.parametrize("frames", [0, None, [4], 65536])
def test_numbers_of_frames_without_a_meaning_are_refused(frames):
    with pytest.raises(UserError, match="frames|numbers"):
        backbone("resnet_mini_3d", image_size=224, options={"frames": frames})


def test_images_have_no_frames():
    with pytest.raises(UserError, match="resnet_mini takes"):
        backbone("resnet_mini", image_size=32, options={"frames": 4})


def test_untrained_encoders_embed_clips():
    encoder = load_encoder("random:resnet_mini_3d", image_size=16, options={"frames": 2})
    assert (encoder.kind, encoder.frames) == ("clip", 2)
    clips = torch.randint(0, 256, (3, 5, 16, 16, 3), dtype=torch.uint8).numpy()
    assert embed(encoder, Arrays(clips)).vectors.shape == (3, encoder.feature_dim)
