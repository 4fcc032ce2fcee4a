"""``ilk export``: a trained encoder for other programs."""

from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter
from rich.console import Console

from ilk.cli.terminal import answer, terminal
from ilk.core.errors import UserError
from ilk.core.shown import shown

Format = Literal["timm", "onnx"]
ENDINGS: dict[Format, str] = {"timm": ".safetensors", "onnx": ".onnx"}


def export(
    encoder: str,
    *,
    to: Format | None = None,
    output: Annotated[Path | None, Parameter(name=["--output", "-o"])] = None,
    field: Literal["feature", "map", "tokens"] = "feature",
) -> None:
    """Write an encoder for other programs, read it back, and compare the features.

    Parameters
    ----------
    encoder
        Write this encoder: a run directory or an encoder file; timm:NAME for any timm model.
    to
        Write for this program: timm for weights that timm loads, onnx for a graph from pixels
        to features. When not given, the ending of the output says; else it is timm for networks
        of timm, onnx for others.
    output
        Write to this file, .safetensors for timm and .onnx; it is encoder.safetensors or
        encoder.onnx in an `export` folder of the run when not given, encoder-map.onnx for maps.
    field
        Set what the ONNX graph gives of each image: feature for one vector, map for the feature
        map that is pooled into it, tokens for the same as a list of places.
    """
    to = to if output is None else _format(to, output)
    from ilk.core import check_writable
    from ilk.networks import OWN, export_onnx, export_timm, load_encoder

    console = terminal()
    result: dict[str, object] = {}
    loaded = load_encoder(encoder)
    to = to or ("onnx" if loaded.name in OWN or field != "feature" else "timm")
    if to == "timm" and field != "feature":
        raise UserError(
            f"--field: must be feature for timm, whose weights give all, got {field}"
        )
    name = "encoder" if field == "feature" else f"encoder-{field}"
    path = output or _beside(encoder) / f"{name}{ENDINGS[to]}"
    with _folder(path.parent):
        check_writable(path, "export")
        if to == "onnx":
            difference = export_onnx(loaded, path, field)
        else:
            expression, difference = export_timm(loaded, path)
            result["network"] = expression
            _print(console, f"network = {expression}")
            _print(
                console,
                f'network.load_state_dict(safetensors.torch.load_file("{path}"))',
            )
            _print(console, f"pixels / 255, less {loaded.mean}, over {loaded.std}")
    what = "tokens" if field == "tokens" else f"{field}s"
    _print(console, f"{path}: {what} differ from ilk's by {difference:.1e} at most")
    answer({"file": str(path), "format": to, "mean": loaded.mean, "std": loaded.std, **result,
            "largest difference": difference})  # fmt: skip


def _format(to: Format | None, output: Path) -> Format | None:
    """The format that is asked for, by name or by the ending of the file; both must agree."""
    ending = output.suffix.lower()
    named: Format | None = next(
        (one for one, known in ENDINGS.items() if known == ending), None
    )
    if to is not None and ending and named != to:
        raise UserError(f"-o: must end in {ENDINGS[to]} for --to {to}, got {output}")
    if to is None and ending and named is None:
        raise UserError(f"-o: must end in {' or '.join(ENDINGS.values())}, got {output}")
    return to or named


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
