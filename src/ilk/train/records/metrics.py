"""The numbers of a run, step by step: metrics.jsonl and TensorBoard curves."""

import contextlib
import json
from collections.abc import Callable, Generator, Mapping
from pathlib import Path
from typing import Any

from ilk.core import check_writable, write_whole

METRICS = "metrics.jsonl"


class Metrics:
    """Appends a line of numbers at a time; TensorBoard gets them as well when it is installed.

    Args:
        directory: the directory of the run.
        step: lines of this step and later ones are dropped: a resumed run writes them again.
        tell: is given the reason, once, when a line cannot be written; no run ends over it.

    Raises:
        UserError: nothing can be written at all.
    """

    def __init__(self, directory: Path, step: int, tell: Callable[[str], None]) -> None:
        path = directory / METRICS
        lines, damaged = _lines_before(path, step)
        write_whole(path, b"".join(lines), "metrics")
        if damaged:
            tell(f"metrics: {damaged} damaged lines were left out")
        self._curves = _curves(directory / "tensorboard", step)
        self._file = path.open("ab")
        self._tell: Callable[[str], None] | None = tell

    def write(self, line: Mapping[str, float]) -> None:
        """Add the numbers of a step."""
        with self._told():
            self._file.write(json.dumps(line).encode() + b"\n")
            self._file.flush()
        if self._curves is not None:
            with self._told():
                for name, number in line.items():
                    if name != "step":
                        self._curves.add_scalar(name, number, int(line["step"]))

    def close(self) -> None:
        """Release the files."""
        with self._told():
            self._file.close()
        if self._curves is not None:
            with self._told():
                self._curves.close()

    @contextlib.contextmanager
    def _told(self) -> Generator[None]:
        try:
            yield
        except OSError as error:
            tell, self._tell = self._tell, None
            if tell is not None:
                tell(f"metrics: some lines are lost, got '{error.strerror or error}'")


def _lines_before(path: Path, step: int) -> tuple[list[bytes], int]:
    """Lines of steps before this one, and how many others are damaged.

    A killed run may leave half of a last line, which is no damage.
    """
    if not path.is_file():
        return [], 0
    kept: list[bytes] = []
    damaged = 0
    for line in path.read_bytes().splitlines(keepends=True):
        found = _step_of(line)
        damaged += found is None and line.endswith(b"\n")
        if found is not None and 0 <= found < step and line.endswith(b"\n"):
            kept.append(line)
    return kept, damaged


def _step_of(line: bytes) -> int | None:
    try:
        found = json.loads(line.decode())["step"]
    except (ValueError, TypeError, KeyError, RecursionError):
        return None
    return found if type(found) is int else None


def _curves(directory: Path, step: int) -> Any:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        return None
    check_writable(directory / "events", "tensorboard")
    return SummaryWriter(str(directory), purge_step=step if step > 0 else None)
