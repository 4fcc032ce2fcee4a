"""Images on their way into a pack, written so that a stopped run loses little.

Beside a result ``photos.tar`` lies ``photos.tar.partial`` while it is made: a file to which
images are appended, and a journal. A line of the journal says what lies in the file up to some
byte; it is written when that is safely on the disk. Whatever follows the last whole line is
forgotten, so that a run goes on from there as if it had never stopped.
"""

import json
import os
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from ilk.core.errors import UserError
from ilk.core.files import make_parent, partial

SECONDS = 5.0  # of work that a killed process loses at most
BYTES = 2**25  # that wait for the disk at most
_NO_LINK = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)


@dataclass(slots=True)
class Line:
    """What a line of the journal says.

    Args:
        stop: the item after the last one.
        bytes: length of the file up to there.
        rows: item, offset, size, and height and width of the original, of each image.
        bad: item and reason of each that was left out.
        remarks: how often each was made.
    """

    stop: int
    bytes: int
    rows: list[list[int]] = field(default_factory=list)
    bad: list[list[Any]] = field(default_factory=list)
    remarks: dict[str, int] = field(default_factory=dict)


class Stage:
    """The images of one shard so far.

    Args:
        target: the shard.
        made: what makes it; a stage that was made otherwise is refused.
        first: item of the shard.

    Raises:
        UserError: a stage lies there that was made from other images or by other settings.
        OSError: it cannot be written.
    """

    def __init__(self, target: Path, made: Mapping[str, Any], first: int) -> None:
        self.first = first
        self.folder = partial(target, "pack")
        self.data = self.folder / "images"
        self._journal = self.folder / "journal"
        head = {"made": made, "first": first}
        make_parent(self.data)
        end, last = self._recovered(head)
        self.stop, self.bytes = (last.stop, last.bytes) if last else (first, 0)
        self._line = Line(self.stop, self.bytes)
        self._file = _opened(self.data, self.bytes)
        self._lines = _opened(self._journal, end)
        self._saved = time.monotonic()
        if not end:
            self._write(head)

    def append(self, parts: bytes) -> int:
        """Write bytes; where they begin."""
        start = self.bytes
        self._file.write(parts)
        self.bytes += len(parts)
        return start

    def note(
        self, item: int, row: list[int] | None, reason: str, remarks: frozenset[str]
    ) -> None:
        """Account for an item.

        Args:
            item: its number.
            row: where it lies, as in ``Line``; None where it was left out.
            reason: why it was.
            remarks: on the image.
        """
        if row is None:
            self._line.bad.append([item, reason])
        else:
            self._line.rows.append(row)
        for remark in sorted(remarks):
            self._line.remarks[remark] = self._line.remarks.get(remark, 0) + 1
        self.stop = item + 1
        due = self.bytes - self._line.bytes > BYTES
        if due or time.monotonic() - self._saved > SECONDS:
            self.save()

    def save(self) -> None:
        """See that all so far is on the disk, and say so in the journal."""
        line = self._line
        if self.stop == line.stop:
            return
        _synced(self._file)
        line.stop, line.bytes = self.stop, self.bytes
        entry = [line.stop, line.bytes, line.rows, line.bad, line.remarks]
        self._write({"line": entry})
        self._line = Line(self.stop, self.bytes)
        self._saved = time.monotonic()

    def lines(self) -> Iterator[Line]:
        """All that was saved."""
        with self._journal.open("rb") as file:
            file.readline()
            for text in file:
                yield Line(*json.loads(text)["line"])

    def close(self) -> None:
        """Save what can be saved, and let the files go."""
        with suppress(OSError):
            self.save()
        for file in (self._file, self._lines):
            with suppress(OSError):
                file.close()

    def remove(self) -> None:
        """Forget it, once the shard is whole."""
        self.close()
        shutil.rmtree(self.folder)

    def _write(self, line: Mapping[str, Any]) -> None:
        self._lines.write(json.dumps(line).encode() + b"\n")
        _synced(self._lines)

    def _recovered(self, head: Mapping[str, Any]) -> tuple[int, Line | None]:
        """Up to where the journal holds, and its last line."""
        end, last = 0, None
        try:
            with os.fdopen(os.open(self._journal, os.O_RDONLY | _NO_LINK), "rb") as file:
                size = self.data.stat().st_size
                for text in file:
                    line = _parsed(text)
                    if line is None:
                        break
                    if not end:
                        self._check(line, head)
                    elif (found := Line(*line["line"])).bytes <= size:
                        last = found
                    else:
                        break
                    end += len(text)
        except FileNotFoundError:
            return 0, None
        return end, last

    def _check(self, found: Mapping[str, Any], head: Mapping[str, Any]) -> None:
        if found != json.loads(json.dumps(head)):
            made, wanted = found.get("made", {}), head["made"]
            other = [name for name in wanted if made.get(name) != wanted[name]] or ["first"]
            raise UserError(
                f"pack: {self.folder} must be left from packing the same images in the same "
                f"way, got another {', '.join(other)}; delete it or choose another output"
            )


def _parsed(text: bytes) -> dict[str, Any] | None:
    """A line of the journal; None where it is torn."""
    try:
        found = json.loads(text) if text.endswith(b"\n") else None
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def _opened(path: Path, size: int) -> BinaryIO:
    """A file, cut to so many bytes, to be appended to; a link is refused."""
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | _NO_LINK, 0o666)
    os.truncate(handle, size)
    return os.fdopen(handle, "ab")


def _synced(file: BinaryIO) -> None:
    file.flush()
    os.fsync(file.fileno())
