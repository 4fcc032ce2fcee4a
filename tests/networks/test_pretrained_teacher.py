"""A teacher that learned before: the same features, whatever the student's statistics."""

import numpy as np
import pytest
import torch

from ilk.core import UserError
from ilk.networks import PretrainedTeacher, encode, feature_dim, load_encoder, save_encoder
from ilk.views import normalise

STATISTICS = ((0.2, 0.5, 0.6), (0.1, 0.3, 0.25))


def test_features_are_those_of_the_encoder():
    encoder = load_encoder("random:resnet_mini")
    pixels = torch.from_numpy(
        np.random.default_rng(0).integers(0, 256, (3, 3, 32, 32)).astype(np.uint8)
    )
    teacher = PretrainedTeacher(encoder, STATISTICS)
    shown = normalise(pixels, *STATISTICS)
    (features,) = teacher.network(shown, ("feature",)).values()
    torch.testing.assert_close(features, encode(encoder, pixels), rtol=1e-4, atol=1e-5)
    assert not features.requires_grad
    assert not any(part.training for part in teacher.network.backbone.module.modules())


def test_channels_must_agree():
    encoder = load_encoder("random:resnet_mini", channels=1)
    with pytest.raises(UserError, match="3 channels .* got one that reads 1"):
        PretrainedTeacher(encoder, STATISTICS)


def test_width_is_known_without_weights(tmp_path):
    assert feature_dim("random:resnet_mini") == 192
    assert feature_dim("timm:vit_tiny_patch16_224") == 192
    before = torch.get_rng_state()
    assert feature_dim("random:resnet18") == 512
    assert torch.equal(before, torch.get_rng_state())
    save_encoder(load_encoder("random:resnet_mini"), tmp_path)
    assert feature_dim(str(tmp_path)) == 192
    with pytest.raises(UserError, match="must be a run or a folder"):
        feature_dim("no/such/run")


@pytest.mark.parametrize(
    ("name", "size"), [("resnet_mini", 32), ("vit_tiny_patch16_224", 224), ("resnet10t", 176)]
)
def test_images_of_another_size_come_as_the_teacher_knew_them(name, size):
    encoder = load_encoder(f"random:{name}")
    assert encoder.image_size == size
    pixels = torch.from_numpy(
        np.random.default_rng(0).integers(0, 256, (2, 3, 48, 48)).astype(np.uint8)
    )
    teacher = PretrainedTeacher(encoder, STATISTICS)
    (features,) = teacher.network(normalise(pixels, *STATISTICS), ("feature",)).values()
    resized = torch.nn.functional.interpolate(
        pixels.float() / 255, size=(size, size), mode="bilinear", antialias=True
    )
    mean, std = (torch.tensor(x)[:, None, None] for x in (encoder.mean, encoder.std))
    torch.testing.assert_close(
        features, encoder.module((resized - mean) / std), rtol=1e-3, atol=1e-4
    )
