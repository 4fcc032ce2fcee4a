"""Encoders for other programs. Axes: B images, C channels, H W pixels, F features."""

import contextlib
import importlib
import io
import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ilk.core import UserError, replacing
from ilk.networks.backbone import OWN, timm_network
from ilk.networks.encoder import Encoder, PixelsToFeatures, encode
from ilk.networks.storage import write_weights

TOLERANCE = 1e-3  # largest difference from torch, relative to the largest feature
TRACED, CHECKED = 2, 5  # batch sizes; they differ, so that the check covers the free batch axis


def export_onnx(encoder: Encoder, path: Path | str) -> float:
    """Write the encoder as ONNX, and compare it with torch on random images.

    The graph reads ``images``, uint8 [B, C, H, W] as `encode` does, of the encoder's size and
    any B, normalises them and gives ``features``, float32 [B, F].

    Returns:
        The largest absolute difference between the features of both.

    Raises:
        UserError: onnx is not installed, the network cannot be expressed, or the features
            differ by more than 0.1 % of the largest; no file is left then.
    """
    runtime = _onnx_runtime()
    size = (encoder.channels, encoder.image_size, encoder.image_size)
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (CHECKED, *size), dtype=np.uint8)
    device = next(encoder.module.parameters()).device
    with replacing(Path(path), "export") as beside:
        _trace(encoder, torch.zeros((TRACED, *size), dtype=torch.uint8, device=device), beside)
        session = runtime.InferenceSession(str(beside), providers=["CPUExecutionProvider"])
        (theirs,) = session.run(["features"], {"images": images})
        ours = encode(encoder, torch.from_numpy(images)).cpu().numpy()
        difference = float(np.abs(theirs - ours).max())
        if not difference <= TOLERANCE * float(np.abs(ours).max()):
            raise UserError(
                f"export: ONNX must agree with torch, got features {difference:.2g} apart"
            )
    return difference


def export_timm(encoder: Encoder, path: Path | str) -> str:
    """Write the backbone's weights so that timm reads them.

    Returns:
        The Python expression that makes the network they fit:
        ``module.load_state_dict(safetensors.torch.load_file(path))`` then loads them.

    Raises:
        UserError: timm alone cannot build this network.
    """
    if encoder.name in OWN:
        raise UserError(
            f"export: timm has no {encoder.name}; export ONNX, or use the encoder file"
        )
    options = {key: value for key, value in encoder.options.items() if key != "stem"}
    needed = {"in_chans": encoder.channels, **options}
    network, used = timm_network(encoder.name, needed, {"img_size": encoder.image_size})
    state = encoder.module.state_dict()
    if {k: t.shape for k, t in network.state_dict().items()} != {
        k: t.shape for k, t in state.items()
    }:
        raise UserError(
            f"export: the stem of {encoder.name} was fitted to {encoder.image_size} px, which "
            f"timm cannot build; export ONNX, or train with the backbone option stem=plain"
        )
    write_weights(
        Path(path), state, {"architecture": encoder.name, "arguments": json.dumps(used)}
    )
    arguments = "".join(f", {key}={value!r}" for key, value in used.items())
    return f"timm.create_model({encoder.name!r}, num_classes=0{arguments})"


def _onnx_runtime() -> Any:
    try:
        for needed in ("onnx", "onnxscript"):
            importlib.import_module(needed)
        import onnxruntime
    except ImportError as error:
        raise UserError(
            f"export: ONNX needs {error.name}, got no such package; pip install 'ilk[export]'"
        ) from error
    return onnxruntime


def _trace(encoder: Encoder, images: torch.Tensor, path: Path) -> None:
    quiet = contextlib.redirect_stdout(io.StringIO())  # the exporter reports its progress
    with warnings.catch_warnings(), quiet, torch.no_grad():
        warnings.simplefilter("ignore")
        try:
            torch.onnx.export(
                PixelsToFeatures(encoder).eval(),
                (images,),
                str(path),
                input_names=["images"],
                output_names=["features"],
                dynamic_shapes=({0: torch.export.Dim("batch", min=1)},),
                dynamo=True,
                external_data=False,
                verbose=False,
            )
        except Exception as error:
            reason = str(error).strip().splitlines()[0]
            raise UserError(f"export: ONNX cannot express {encoder.name}: {reason}") from error
