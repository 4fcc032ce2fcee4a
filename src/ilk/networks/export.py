"""Encoders for other programs. Axes: B images, C channels, H W pixels, S side, F features."""

import contextlib
import importlib
import io
import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float32, UInt8

from ilk.core import UserError, replacing
from ilk.networks.backbone import fits_stem, sizes_for, timm_network
from ilk.networks.encoder import Encoder, PixelsToFeatures, encode, field_shape
from ilk.networks.own import OWN
from ilk.networks.places import FEATURE, Field
from ilk.networks.storage import write_weights

TOLERANCE = 1e-3  # largest difference from torch, relative to the largest feature
TRACED, CHECKED = 2, 5  # batch sizes; they differ, so that the check covers the free batch axis


def export_onnx(encoder: Encoder, path: Path | str, field: Field = FEATURE) -> float:
    """Write the encoder as ONNX, and compare it with torch on random images.

    The graph reads ``images``, uint8 [B, C, H, W] as `encode` does, of the encoder's size and
    any B, normalises them and gives ``features``, float32 [B, F]; or ``map``, [B, D, H, W], or
    ``tokens``, [B, N, D].

    Args:
        encoder: stays as it is.
        path: where the graph is written.
        field: what of the images the graph gives.

    Returns:
        The largest absolute difference between the features of both.

    Raises:
        UserError: onnx is not installed, the network cannot be expressed or does not show the
            field, or the features differ by more than 0.1 % of the largest; no file is left
            then.
    """
    if encoder.kind != "image":
        raise UserError(f"export: ONNX must read images, but {encoder.name} reads another kind")
    runtime = _onnx_runtime()
    field_shape(encoder, field)  # or an error
    name = "features" if field == FEATURE else field
    images = _check_images(encoder)
    device = next(encoder.module.parameters()).device
    with replacing(Path(path), "export") as beside:
        traced = torch.zeros((TRACED, *images.shape[1:]), dtype=torch.uint8, device=device)
        _trace(encoder, PixelsToFeatures(encoder, field), traced, name, beside)
        session = runtime.InferenceSession(str(beside), providers=["CPUExecutionProvider"])
        (theirs,) = session.run([name], {"images": images})
        ours = encode(encoder, torch.from_numpy(images), field).cpu().numpy()
        difference, alike = _compared(ours, theirs)
        if not alike:
            raise UserError(
                f"export: ONNX must agree with torch, got {name} {difference:.2g} apart"
            )
    return difference


def export_timm(encoder: Encoder, path: Path | str) -> tuple[str, float]:
    """Write the backbone's weights for timm, and compare timm's network with ours.

    The file is read back by timm alone, and both networks see the same random images of the
    encoder's size.

    Returns:
        The Python expression that makes the network they fit, for
        ``network.load_state_dict(safetensors.torch.load_file(path))``; and the largest absolute
        difference between the features of both.

    Raises:
        UserError: timm alone cannot build this network, or its features differ by more than
            0.1 % of the largest; no file is left then.
    """
    if encoder.name in OWN:
        raise UserError(
            f"export: timm has no {encoder.name}; export it as ONNX, or use the encoder's"
            " own file"
        )
    options = {key: value for key, value in encoder.options.items() if key != "stem"}
    needed = {"in_chans": encoder.channels, **options}
    network, used = timm_network(encoder.name, needed, sizes_for(encoder.image_size))
    state = encoder.module.state_dict()
    if {k: t.shape for k, t in network.state_dict().items()} != {
        k: t.shape for k, t in state.items()
    }:
        raise _other_network(encoder)
    header = {"architecture": encoder.name, "arguments": json.dumps(used)}
    with replacing(Path(path), "export") as beside:
        write_weights(beside, state, header)
        difference = _timm_difference(encoder, beside)
    arguments = "".join(f", {key}={value!r}" for key, value in used.items())
    return f"timm.create_model({encoder.name!r}, num_classes=0{arguments})", difference


def _timm_difference(encoder: Encoder, path: Path) -> float:
    """How far features lie apart once timm has built the network and read the file."""
    import timm
    from safetensors import safe_open
    from safetensors.torch import load_file

    with safe_open(path, framework="pt") as stored:
        header = stored.metadata()
    network = timm.create_model(
        header["architecture"], num_classes=0, **json.loads(header["arguments"])
    )
    network.load_state_dict(load_file(path))
    images = torch.from_numpy(_check_images(encoder))
    scale, shift = (
        torch.tensor(numbers, dtype=torch.float32).view(-1, 1, 1)
        for numbers in (encoder.std, encoder.mean)
    )
    with torch.inference_mode():
        theirs = network.eval()((images / 255 - shift) / scale).float().numpy()
    ours = encode(encoder, images).cpu().numpy()
    difference, alike = _compared(ours, theirs)
    if not alike:
        raise _other_network(encoder, f", features {difference:.2g} apart")
    return difference


def _other_network(encoder: Encoder, how: str = "") -> UserError:
    """For a network that timm alone does not build as it is here."""
    why, cure = "", "export it as ONNX"
    if fits_stem(encoder.module) and encoder.options.get("stem", "plain") != "plain":
        why = f", since its stem was fitted to {encoder.image_size} px"
        cure += ', or train with backbone_options={"stem": "plain"}'
    return UserError(
        f"export: timm must build {encoder.name} as it was trained, got another network"
        f"{how}{why}; {cure}"
    )


def _check_images(encoder: Encoder) -> UInt8[np.ndarray, "B C S S"]:
    """Random images, from noise of single pixels to large flat squares.

    Networks that differ in a stride or a pool only are close to one another on pixel noise.
    """
    rng = np.random.default_rng(0)
    side = encoder.image_size
    images = np.empty((CHECKED, encoder.channels, side, side), np.uint8)
    for number in range(CHECKED):
        few = -(-side // 2**number)
        squares = rng.integers(0, 256, (encoder.channels, few, few), dtype=np.uint8)
        places = np.arange(side) // 2**number
        images[number] = squares[:, places][:, :, places]
    return images


def _compared(
    ours: Float32[np.ndarray, "..."], theirs: Float32[np.ndarray, "..."]
) -> tuple[float, bool]:
    """The largest absolute difference, and whether it is within the tolerance."""
    if ours.shape != theirs.shape:
        return float("inf"), False
    difference = float(np.abs(theirs - ours).max())
    return difference, difference <= TOLERANCE * float(np.abs(ours).max())


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


def _trace(
    encoder: Encoder, network: torch.nn.Module, images: torch.Tensor, output: str, path: Path
) -> None:
    quiet = contextlib.redirect_stdout(io.StringIO())  # the exporter reports its progress
    with warnings.catch_warnings(), quiet, torch.no_grad():
        warnings.simplefilter("ignore")
        try:
            torch.onnx.export(
                network.eval(),
                (images,),
                str(path),
                input_names=["images"],
                output_names=[output],
                dynamic_shapes=({0: torch.export.Dim("batch", min=1)},),
                dynamo=True,
                external_data=False,
                verbose=False,
            )
        except Exception as error:
            reason = str(error).strip().splitlines()[0]
            raise UserError(f"export: ONNX cannot express {encoder.name}: {reason}") from error
