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
        "ilk.networks.export.encode", lambda e, images: 1.01 * encode(e, images)
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
    expression = export_timm(encoder, tmp_path / "weights.safetensors")
    network = eval(expression, {"timm": timm}).eval()
    network.load_state_dict(load_file(tmp_path / "weights.safetensors"))
    x = torch.randn(2, 3, image_size, image_size)
    torch.testing.assert_close(network(x), encoder.module(x), atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize(
    ("name", "options", "says"),
    [("resnet18", RESNET, "stem=plain"), ("resnet_mini", MINI, "timm has no resnet_mini")],
)
def test_what_timm_cannot_build_is_refused(encoder_of, tmp_path, name, options, says):
    with pytest.raises(UserError, match=says):
        export_timm(encoder_of(name, options), tmp_path / "weights.safetensors")
    assert not list(tmp_path.iterdir())
