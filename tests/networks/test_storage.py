import errno
import json
import os

import pytest
import timm
import torch
from safetensors.torch import load_file, save_file

from ilk.core import UserError
from ilk.networks import encode, load_encoder, save_encoder

VIT = {"patch_size": 8, "embed_dim": 32, "depth": 1, "num_heads": 2}
RESNET = {"layers": (1, 1, 1, 1), "channels": (8, 8, 8, 8)}
IMAGES = torch.randint(0, 256, (3, 3, 32, 32), dtype=torch.uint8)


@pytest.mark.parametrize(
    ("name", "options", "image_size"),
    [
        ("resnet_mini", {"widths": (8, 16), "depths": (1, 1)}, 32),
        ("resnet18", RESNET, 32),
        ("resnet18", RESNET, 64),
        ("vit_tiny_patch16_224", VIT, 32),
    ],
)
def test_what_is_read_is_what_was_written(encoder_of, tmp_path, name, options, image_size):
    encoder = encoder_of(name, options, image_size=image_size)
    save_encoder(encoder, tmp_path / "run")
    for spec in ("run", "run/encoder.safetensors", "run/encoder.json"):
        again = load_encoder(tmp_path / spec)
        assert again.facts() == encoder.facts()
        images = torch.randint(0, 256, (3, 3, image_size, image_size), dtype=torch.uint8)
        assert torch.equal(encode(again, images), encode(encoder, images))


def test_reading_leaves_the_random_state(encoder_of, tmp_path):
    save_encoder(encoder_of("vit_tiny_patch16_224", VIT), tmp_path)
    before = torch.get_rng_state()
    load_encoder(str(tmp_path))
    load_encoder("random:resnet_mini")
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize(
    ("name", "options", "image_size"),
    [("resnet18", RESNET, 128), ("vit_tiny_patch16_224", VIT, 32)],
)
def test_timm_reads_the_weights(encoder_of, tmp_path, name, options, image_size):
    encoder = encoder_of(name, options, image_size=image_size)
    save_encoder(encoder, tmp_path)
    size = {"img_size": image_size} if name.startswith("vit") else {}
    theirs = timm.create_model(name, num_classes=0, **options, **size).eval()
    theirs.load_state_dict(load_file(tmp_path / "encoder.safetensors"))
    x = torch.randn(2, 3, image_size, image_size)
    torch.testing.assert_close(theirs(x), encoder.module(x), atol=1e-5, rtol=1e-4)


def test_facts_stand_in_json_too(encoder_of, tmp_path):
    encoder = encoder_of("vit_tiny_patch16_224", VIT)
    save_encoder(encoder, tmp_path)
    facts = json.loads((tmp_path / "encoder.json").read_text())
    assert facts["fingerprint"] == encoder.fingerprint
    assert facts["feature_dim"] == 32
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "encoder.json",
        "encoder.safetensors",
    ]


def test_failed_save_keeps_the_old_encoder(encoder_of, tmp_path, monkeypatch):
    old = encoder_of("vit_tiny_patch16_224", VIT)
    save_encoder(old, tmp_path)

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(UserError, match="No space left on device"):
        save_encoder(encoder_of("vit_tiny_patch16_224", VIT, seed=1), tmp_path)
    assert load_encoder(tmp_path).fingerprint == old.fingerprint
    assert len(list(tmp_path.iterdir())) == 2


def test_untrained_networks_by_name():
    first, again, other = (load_encoder("random:resnet_mini", seed=s) for s in (0, 0, 1))
    assert first.image_size == 32
    assert first.fingerprint == again.fingerprint != other.fingerprint
    tiny = load_encoder(
        "timm:vit_tiny_patch16_224@random", image_size=32, channels=5, options=VIT
    )
    assert tiny.mean == (0.5,) * 5
    assert encode(tiny, torch.zeros(2, 5, 32, 32, dtype=torch.uint8)).shape == (2, 32)


def test_network_by_name_has_the_size_and_statistics_it_was_made_for():
    encoder = load_encoder("random:vit_tiny_patch16_224", options={"depth": 1, "num_heads": 1})
    assert encoder.image_size == 224
    assert encoder.mean == tuple(timm.get_pretrained_cfg("vit_tiny_patch16_224").mean)


def test_published_weights_are_asked_for(monkeypatch):
    asked = {}

    def create(name, **options):
        asked.update(options)
        options.pop("pretrained")
        return create_model(name, **options)

    create_model = timm.create_model
    monkeypatch.setattr(timm, "create_model", create)
    encoder = load_encoder("timm:resnet18", options=RESNET, image_size=64)
    assert asked["pretrained"] is True
    assert encoder.module.conv1.kernel_size == (7, 7)
    assert encoder.options == {
        "layers": [1, 1, 1, 1],
        "channels": [8, 8, 8, 8],
        "stem": "plain",
    }


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        ("nowhere", "holds none"),
        ("random:resnet_minni", "resnet_mini"),
        ("timm:resnet_mini", "no published weights"),
    ],
)
def test_unknown_encoders(tmp_path, monkeypatch, spec, says):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=says):
        load_encoder(spec)


def test_broken_and_foreign_files(encoder_of, tmp_path):
    file = tmp_path / "encoder.safetensors"
    save_encoder(encoder_of("vit_tiny_patch16_224", VIT), tmp_path)
    whole = file.read_bytes()
    file.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(UserError, match="must be whole"):
        load_encoder(tmp_path)
    save_file({"weight": torch.zeros(2)}, file)
    with pytest.raises(UserError, match="must be of format 1, got None"):
        load_encoder(tmp_path)


def test_trained_encoder_keeps_its_own_size(encoder_of, tmp_path):
    save_encoder(encoder_of("vit_tiny_patch16_224", VIT), tmp_path)
    assert load_encoder(tmp_path, image_size=32).image_size == 32
    with pytest.raises(UserError, match="trained at 32 px, got 64"):
        load_encoder(tmp_path, image_size=64)
