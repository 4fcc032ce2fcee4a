"""What a run leaves behind for people: run.json, metrics.jsonl, TensorBoard curves."""

import json
import os
import platform
import subprocess
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

from ilk.core import UserError, write_whole

PACKAGES = (
    "ilk",
    "torch",
    "torchvision",
    "timm",
    "numpy",
    "opencv-python-headless",
    "lightning-fabric",
)


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write a JSON file whole or not at all."""
    write_whole(path, json.dumps(content, indent=2, default=str) + "\n", "record")


def read_record(directory: Path) -> dict[str, Any]:
    """The run record of a directory.

    Raises:
        UserError: the directory holds no run.
    """
    path = directory / "run.json"
    if not path.exists():
        raise UserError(
            f"run: {directory} must hold a run.json, got none; is it a run directory?"
        )
    return json.loads(path.read_text())


def now() -> str:
    """The time in UTC, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def surroundings() -> dict[str, Any]:
    """Versions, commit and machine, for comparisons later."""
    return {
        "versions": {name: _version(name) for name in PACKAGES}
        | {"python": platform.python_version()},
        "commit": _commit(),
        "command": [Path(sys.argv[0]).name, *sys.argv[1:]],
        "machine": {
            "platform": platform.platform(),
            "processors": os.cpu_count(),
            "allocator": {k: v for k, v in os.environ.items() if k.startswith("MALLOC_")},
        },
    }


class Metrics:
    """Appends a line of numbers at a time; TensorBoard gets them as well when it is installed.

    Args:
        directory: of the run.
        step: lines of this step and later ones are dropped: a resumed run writes them again.
    """

    def __init__(self, directory: Path, step: int) -> None:
        path = directory / "metrics.jsonl"
        kept = [line for line in _whole_lines(path) if json.loads(line)["step"] < step]
        path.write_text("".join(f"{line}\n" for line in kept))
        self._file = path.open("a")
        self._curves = _curves(directory / "tensorboard", step)

    def write(self, line: Mapping[str, float]) -> None:
        """Add the numbers of a step."""
        self._file.write(json.dumps(line) + "\n")
        self._file.flush()
        if self._curves is not None:
            for name, number in line.items():
                if name != "step":
                    self._curves.add_scalar(name, number, int(line["step"]))

    def close(self) -> None:
        """Release the files."""
        self._file.close()
        if self._curves is not None:
            self._curves.close()


def _whole_lines(path: Path) -> list[str]:
    """Lines that were written to their end; a killed run may leave half of one."""
    if not path.exists():
        return []
    lines = []
    for line in path.read_text().splitlines():
        try:
            json.loads(line)
        except json.JSONDecodeError:
            break
        lines.append(line)
    return lines


def _curves(directory: Path, step: int) -> Any:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        return None
    return SummaryWriter(str(directory), purge_step=step if step > 0 else None)


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return "not installed"


def _commit() -> str | None:
    """The commit of a source checkout of ilk; None for an installed package."""
    here = Path(__file__).parent
    if not (here.parents[2] / ".git").exists():
        return None
    done = subprocess.run(
        ["git", "-C", str(here), "describe", "--always", "--dirty", "--abbrev=12"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    return done.stdout.strip() or None
