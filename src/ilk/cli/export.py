"""``ilk export``: a trained encoder for other programs."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter
from rich.console import Console

if TYPE_CHECKING:
    from ilk.networks import Encoder

ENDINGS = {"timm": ".safetensors", "onnx": ".onnx"}


def export(
    encoder: str,
    *,
    to: Literal["timm", "onnx"] = "timm",
    output: Annotated[Path | None, Parameter(name=["--output", "-o"])] = None,
) -> None:
    """Write an encoder for other programs, read it back, and tell how far features differ.

    Parameters
    ----------
    encoder
        A run directory or an encoder file; timm:NAME for any timm model.
    to
        timm for weights that timm loads, onnx for a graph from pixels to features.
    output
        The file; encoder.safetensors or encoder.onnx in an `export` folder of the run when not
        given.
    """
    from ilk.networks import export_onnx, export_timm, load_encoder

    console = Console()
    loaded = load_encoder(encoder)
    path = output or _beside(encoder) / f"encoder{ENDINGS[to]}"
    path.parent.mkdir(parents=True, exist_ok=True)
    if to == "onnx":
        difference = export_onnx(loaded, path)
    else:
        expression = export_timm(loaded, path)
        difference = _timm_difference(loaded, path)
        console.print(f"network = {expression}", highlight=False, markup=False, soft_wrap=True)
        console.print(
            f'network.load_state_dict(safetensors.torch.load_file("{path}"))',
            highlight=False, markup=False, soft_wrap=True,
        )  # fmt: skip
        console.print(f"pixels / 255, less {loaded.mean}, over {loaded.std}", highlight=False)
    told = f"{path}: features differ from ilk's by {difference:.1e} at most"
    console.print(told, highlight=False, soft_wrap=True)


def _beside(encoder: str) -> Path:
    place = Path(encoder)
    return (place if place.is_dir() else Path()) / "export"


def _timm_difference(encoder: "Encoder", path: Path) -> float:
    """How far features lie apart once timm has built the network and read the file."""
    import timm
    import torch
    from safetensors import safe_open
    from safetensors.torch import load_file

    with safe_open(path, framework="pt") as stored:
        header = stored.metadata()
    network = timm.create_model(
        header["architecture"], num_classes=0, **json.loads(header["arguments"])
    ).eval()
    network.load_state_dict(load_file(path))
    side = encoder.image_size
    images = torch.rand(
        4, encoder.channels, side, side, generator=torch.Generator().manual_seed(0)
    )
    with torch.inference_mode():
        return float((network(images) - encoder.module(images)).abs().max())
