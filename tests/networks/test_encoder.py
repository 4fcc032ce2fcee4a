import dataclasses

import pytest
import torch

from ilk.core import UserError
from ilk.networks import Encoder, encode

OPTIONS = {"widths": (8, 16), "depths": (1, 1)}
STATISTICS = ((0.5, 0.4, 0.3), (0.2, 0.25, 0.3))


def made(module, **changes):
    facts = {"name": "resnet_mini", "options": OPTIONS, "image_size": 32, "channels": 3}
    return Encoder.of(module, **{**facts, "statistics": STATISTICS, **changes})


def test_encodes_normalised_pixels(encoder_of):
    encoder = encoder_of("resnet_mini", OPTIONS)
    images = torch.randint(0, 256, (3, 3, 32, 32), dtype=torch.uint8)
    before = images.clone()
    mean, std = (torch.tensor(numbers).view(1, 3, 1, 1) for numbers in STATISTICS)
    expected = encoder.module((images / 255 - mean) / std)
    features = encode(encoder, images)
    torch.testing.assert_close(features, expected, atol=1e-5, rtol=1e-4)
    assert features.shape == (3, encoder.feature_dim)
    assert features.is_inference()
    assert torch.equal(images, before)


def test_a_row_does_not_depend_on_its_batch(encoder_of):
    encoder = encoder_of("resnet_mini", OPTIONS)
    images = torch.randint(0, 256, (4, 3, 32, 32), dtype=torch.uint8)
    alone = torch.cat([encode(encoder, image[None]) for image in images])
    torch.testing.assert_close(encode(encoder, images), alone, atol=1e-6, rtol=1e-5)


def test_copy_stands_still_while_the_original_learns(conv):
    encoder = made(conv)
    assert conv.training
    assert not any(part.training for part in encoder.module.modules())
    assert not any(parameter.requires_grad for parameter in encoder.module.parameters())
    images = torch.randint(0, 256, (2, 3, 32, 32), dtype=torch.uint8)
    before = encode(encoder, images)
    with torch.no_grad():
        for parameter in conv.parameters():
            parameter.add_(1)
    assert torch.equal(encode(encoder, images), before)


def test_fingerprint_tells_weights_and_facts_apart(conv):
    first = made(conv).fingerprint
    assert made(conv).fingerprint == first
    assert made(conv, image_size=64).fingerprint != first
    assert made(conv, statistics=(STATISTICS[1], STATISTICS[1])).fingerprint != first
    with torch.no_grad():
        next(conv.parameters()).view(-1)[0].add_(1e-3)
    assert made(conv).fingerprint != first


def test_stem_is_recorded_and_pretraining_is_not(conv):
    assert made(conv).options["stem"] == "small"
    assert made(conv, options={**OPTIONS, "pretrained": True}).options == {
        "widths": [8, 16],
        "depths": [1, 1],
        "stem": "plain",
    }


def test_wrong_channels_are_refused(encoder_of, conv):
    encoder = encoder_of("resnet_mini", OPTIONS)
    with pytest.raises(UserError, match="3 channels, got 1"):
        encode(encoder, torch.zeros(2, 1, 32, 32, dtype=torch.uint8))
    with pytest.raises(ValueError, match="4 means"):
        made(conv, channels=4)


def test_record_is_frozen(conv):
    with pytest.raises(dataclasses.FrozenInstanceError):
        made(conv).image_size = 1
