import sys

import numpy as np
import onnxruntime
import pytest
import timm
import torch
from safetensors.torch import load_file

from ilk.core import UserError
from ilk.networks import encode, export_onnx, export_timm

VIT = {"patch_size": 8, "embed_dim": 32, "depth": 1, "num_heads": 2}
RESNET = {"layers": (1, 1, 1, 1), "channels": (8, 8, 8, 8)}
MINI = {"widths": (8, 16), "depths": (1, 1)}
AMDIM = {"base_width": 4, "depth": 1, "feature_dim": 16}


@pytest.mark.parametrize(
    ("name", "options"), [("resnet_mini", MINI), ("vit_tiny_patch16_224", VIT)]
)
def test_onnx_agrees_with_torch(encoder_of, tmp_path, name, options, capsys):
    encoder = encoder_of(name, options)
    difference = export_onnx(encoder, tmp_path / "encoder.onnx")
    assert 0 <= difference < 1e-4
    assert [path.name for path in tmp_path.iterdir()] == ["encoder.onnx"]
    session = onnxruntime.InferenceSession(tmp_path / "encoder.onnx")
    for rows in (1, 7):
        images = torch.randint(0, 256, (rows, 3, 32, 32), dtype=torch.uint8)
        (features,) = session.run(["features"], {"images": images.numpy()})
        np.testing.assert_allclose(features, encode(encoder, images), atol=1e-4)
    assert capsys.readouterr().out == ""


def test_onnx_that_disagrees_is_not_kept(encoder_of, tmp_path, monkeypatch):
    encoder = encoder_of("resnet_mini", MINI)
    monkeypatch.setattr(
        "ilk.networks.export.encode", lambda e, images, field: 1.01 * encode(e, images, field)
    )
    with pytest.raises(UserError, match="must agree with torch"):
        export_onnx(encoder, tmp_path / "encoder.onnx")
    assert not list(tmp_path.iterdir())


def test_missing_onnx_names_the_extra(encoder_of, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxscript", None)
    with pytest.raises(UserError, match=r"pip install 'ilk\[export\]'"):
        export_onnx(encoder_of("resnet_mini", MINI), tmp_path / "encoder.onnx")


@pytest.mark.parametrize(
    ("name", "options", "image_size"),
    [
        ("vit_tiny_patch16_224", VIT, 32),
        ("resnet18", RESNET, 128),
        ("resnet18", {**RESNET, "stem": "plain"}, 32),
    ],
)
def test_timm_expression_makes_the_network(encoder_of, tmp_path, name, options, image_size):
    encoder = encoder_of(name, options, image_size=image_size)
    expression, difference = export_timm(encoder, tmp_path / "weights.safetensors")
    assert 0 <= difference < 1e-4
    network = eval(expression, {"timm": timm}).eval()
    network.load_state_dict(load_file(tmp_path / "weights.safetensors"))
    x = torch.randn(2, 3, image_size, image_size)
    torch.testing.assert_close(network(x), encoder.module(x), atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize(
    ("name", "options", "says"),
    [("resnet18", RESNET, "stem.*plain"), ("resnet_mini", MINI, "timm has no resnet_mini")],
)
def test_what_timm_cannot_build_is_refused(encoder_of, tmp_path, name, options, says):
    with pytest.raises(UserError, match=says):
        export_timm(encoder_of(name, options), tmp_path / "weights.safetensors")
    assert not list(tmp_path.iterdir())


# Small settings of timm families, so that each builds in a moment.
SMALL = {"layers": (1, 1, 1, 1), "channels": (8, 16, 16, 16)}
DEEP = {**SMALL, "stem_type": "deep", "stem_width": 8}
TIERED = {**DEEP, "stem_type": "deep_tiered", "avg_down": True}
CONVNEXT = {"depths": (1, 1, 1, 1), "dims": (8, 16, 16, 32)}
SWIN = {"embed_dim": 16, "depths": (1, 1), "num_heads": (1, 2), "window_size": 2}
ODD_VIT = {"patch_size": 12, "embed_dim": 16, "depth": 1, "num_heads": 2}


@pytest.mark.parametrize(
    ("name", "options", "sizes", "kept"),
    [
        ("resnet10t", TIERED, (32, 64, 96), False),
        ("resnet10t", TIERED, (97, 128), True),
        ("resnet10t", {**TIERED, "stem": "plain"}, (64,), True),
        ("resnet18d", DEEP, (48, 96), False),
        ("resnet18d", DEEP, (112,), True),
        ("resnet18", SMALL, (40, 80), False),
        ("vit_tiny_patch16_224", ODD_VIT, (25, 60), True),
        ("convnext_atto", CONVNEXT, (32, 70), True),
        ("swin_tiny_patch4_window7_224", SWIN, (32, 64), True),
        ("efficientnet_lite0", {}, (64,), True),
        ("mobilenetv3_small_050", {}, (48,), True),
        ("regnetx_002", {}, (64,), True),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)  # fmt: skip
@pytest.mark.parametrize("channels", [1, 4])
def test_timm_builds_the_same_network_or_nothing_is_written(
    encoder_of, tmp_path, name, options, sizes, kept, channels
):
    path = tmp_path / "weights.safetensors"
    for size in sizes:
        encoder = encoder_of(name, options, image_size=size, channels=channels)
        if not kept:
            with pytest.raises(UserError, match="as ONNX, or train with .*stem.*plain"):
                export_timm(encoder, path)
            assert not list(tmp_path.iterdir())
            continue
        expression, _ = export_timm(encoder, path)
        network = eval(expression, {"timm": timm}).eval()
        network.load_state_dict(load_file(path))
        x = torch.randn(2, channels, size, size)
        torch.testing.assert_close(network(x), encoder.module(x), atol=1e-5, rtol=1e-4)


def test_a_network_of_other_features_is_not_kept(encoder_of, tmp_path, monkeypatch):
    encoder = encoder_of("vit_tiny_patch16_224", VIT)
    monkeypatch.setattr(
        "ilk.networks.export.encode", lambda e, images: 1.01 * encode(e, images)
    )
    (tmp_path / "weights.safetensors").write_bytes(b"kept")
    with pytest.raises(UserError, match="got another network"):
        export_timm(encoder, tmp_path / "weights.safetensors")
    assert (tmp_path / "weights.safetensors").read_bytes() == b"kept"
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize("field", ["tokens", "map"])
@pytest.mark.parametrize(
    ("name", "options"),
    [("resnet_mini", MINI), ("vit_tiny_patch16_224", VIT), ("amdim_mini", AMDIM)],
)
def test_onnx_of_places_agrees_with_torch(encoder_of, tmp_path, name, options, field):
    encoder = encoder_of(name, options)
    assert 0 <= export_onnx(encoder, tmp_path / "e.onnx", field) < 1e-4
    session = onnxruntime.InferenceSession(tmp_path / "e.onnx")
    images = torch.randint(0, 256, (3, 3, 32, 32), dtype=torch.uint8)
    (places,) = session.run([field], {"images": images.numpy()})
    np.testing.assert_allclose(places, encode(encoder, images, field), atol=1e-4)


def test_onnx_of_what_a_network_does_not_show_is_refused(encoder_of, tmp_path):
    encoder = encoder_of("resnet_mini", MINI)
    encoder.module.forward_features = None
    with pytest.raises(UserError, match="must show its map"):
        export_onnx(encoder, tmp_path / "e.onnx", "map")
    assert not list(tmp_path.iterdir())
