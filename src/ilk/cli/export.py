"""``ilk export``: a trained encoder for other programs."""

from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter
from rich.console import Console

from ilk.cli.terminal import answer, terminal
from ilk.core.shown import shown

ENDINGS = {"timm": ".safetensors", "onnx": ".onnx"}


def export(
    encoder: str,
    *,
    to: Literal["timm", "onnx"] = "timm",
    output: Annotated[Path | None, Parameter(name=["--output", "-o"])] = None,
) -> None:
    """Write an encoder for other programs, read it back, and compare the features.

    Parameters
    ----------
    encoder
        A run directory or an encoder file; timm:NAME for any timm model.
    to
        timm for weights that timm loads, onnx for a graph from pixels to features.
    output
        File to write; encoder.safetensors or encoder.onnx in an `export` folder of the run when
        not given.
    """
    from ilk.core import check_writable
    from ilk.networks import export_onnx, export_timm, load_encoder

    console = terminal()
    result: dict[str, object] = {}
    loaded = load_encoder(encoder)
    path = output or _beside(encoder) / f"encoder{ENDINGS[to]}"
    with _folder(path.parent):
        check_writable(path, "export")
        if to == "onnx":
            difference = export_onnx(loaded, path)
        else:
            expression, difference = export_timm(loaded, path)
            result["network"] = expression
            _print(console, f"network = {expression}")
            _print(
                console,
                f'network.load_state_dict(safetensors.torch.load_file("{path}"))',
            )
            _print(console, f"pixels / 255, less {loaded.mean}, over {loaded.std}")
    _print(console, f"{path}: features differ from ilk's by {difference:.1e} at most")
    answer({"file": str(path), "mean": loaded.mean, "std": loaded.std, **result,
            "largest difference": difference})  # fmt: skip


def _print(console: Console, line: str) -> None:
    console.print(shown(line), highlight=False, markup=False, soft_wrap=True)


@contextmanager
def _folder(path: Path) -> Generator[None]:
    """Remove a folder that was made to write into, when nothing was written."""
    made = not path.exists()
    try:
        yield
    except BaseException:
        if made:
            with suppress(OSError):
                path.rmdir()  # removes an empty folder only
        raise


def _beside(encoder: str) -> Path:
    place = Path(encoder)
    return (place if place.is_dir() else Path()) / "export"
