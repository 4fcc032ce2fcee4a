"""From a source to files of images that are ready, so that a stopped run loses little."""

import shutil
from collections.abc import Callable, Generator
from contextlib import closing
from dataclasses import asdict, astuple, dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from ilk.core.errors import UserError
from ilk.core.files import check_writable, partial, sweep
from ilk.core.locks import lock
from ilk.core.prefetch import mapped_ahead
from ilk.core.shown import stored
from ilk.data.account import left_out
from ilk.data.decode import read_item
from ilk.data.file_times import file_times
from ilk.data.memory import MEMORY
from ilk.data.packing import index
from ilk.data.packing.check import LAYOUT
from ilk.data.packing.known import Known
from ilk.data.packing.opening import INDEX, shard_of
from ilk.data.packing.prepare import Packing, Prepared, prepared
from ilk.data.packing.source import Shard
from ilk.data.packing.stage import Stage
from ilk.data.packing.table import save_table
from ilk.data.packing.tar import sample, save_tar
from ilk.data.reader import Bad
from ilk.data.source import BadItem, Source
from ilk.data.workers import default_workers

_AT_ONCE = 8  # items that a thread takes
_SHOWN = 3


@dataclass(frozen=True, slots=True)
class Packed:
    """What was written.

    Args:
        paths: the files.
        images: number of them.
        bytes: length of all files together.
        bad: what was damaged and left out.
        remarks: how many images each is of, by key of ``ilk.data.packing.WORDS``.
        lost: facts that are not kept, and why.
    """

    paths: tuple[Path, ...]
    images: int
    bytes: int
    bad: tuple[Bad, ...]
    remarks: dict[str, int]
    lost: dict[str, str]


def pack(
    source: Source,
    path: str | Path,
    packing: Packing | None = None,
    *,
    shard_bytes: int | None = None,
    workers: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Packed:
    """Make the images of a source ready, and write them with all that is known of them.

    What is written opens as the source does: the same keys, order, labels, classes, facts and
    parts, without damaged images. Call it again after an interruption: it goes on, and the
    files become the same to the byte. A file appears under its name only when it is whole;
    until then its images lie beside it in ``NAME.partial``. Memory does not grow with images,
    but for some 200 bytes each.

    Args:
        source: the images.
        path: a tar file or a parquet file.
        packing: how images are made ready; None is 512 px of the shorter side, JPEG of 90.
        shard_bytes: bytes of images in a file, at most; ``photos.tar`` becomes
            ``photos-00000.tar`` and so on. None is one file.
        workers: threads that decode; one per core when None.
        progress: called with the items done and their number.

    Raises:
        UserError: the name ends otherwise, other files are in the way, no image could be read,
            or the disk is full.
    """
    path, packing = Path(path), packing or Packing()
    if path.suffix.lower() not in INDEX:
        raise UserError(f"pack: the output must end in .tar or .parquet, got {path}")
    if shard_bytes is not None and shard_bytes < 1:
        raise UserError(f"shard_bytes: must be 1 or more, got {shard_bytes}")
    cv2.setNumThreads(0)  # each of our threads has an image of its own
    with lock(path, "pack"):
        job = _Job(source, path, packing, shard_bytes, workers or default_workers(), progress)
        try:
            return job.run()
        except OSError as error:
            raise UserError(
                f"pack: {path} must be writable, got '{error.strerror or error}'; what was "
                "packed so far is kept, and the same command goes on from there"
            ) from error


@dataclass(slots=True)
class _Job:
    source: Source
    path: Path
    packing: Packing
    shard_bytes: int | None
    workers: int
    progress: Callable[[int, int], None] | None
    known: Known = field(init=False)
    made: dict[str, Any] = field(init=False)
    done: list[Shard] = field(default_factory=list, init=False)

    def __post_init__(self) -> None:
        self.made = {
            "data": self.source.fingerprint,
            "items": len(self.source),
            **asdict(self.packing),
            "shard_bytes": self.shard_bytes,
            "as": self.path.suffix.lower(),
        }

    def run(self) -> Packed:
        """All shards that are missing."""
        first = self._finished()
        if first < len(self.source):
            check_writable(self._target(), "pack")
            self.known = Known.of(self.source)
            self._write(first)
        return self._outcome()

    def _finished(self) -> int:
        """Look at the shards that are there; the item after their last."""
        first = 0
        while (target := self._target()).exists() and first < len(self.source):
            shard = self._verified(target, first)
            self.done.append(shard)
            if (left := partial(target, "pack")).exists():
                shutil.rmtree(left)
            first = shard.stop
            self._tell(first)
        return first

    def _write(self, first: int) -> None:
        made = self.made | {"file times": file_times(self.source)}
        stage = Stage(self._target(), made, first)
        try:
            with closing(self._entries(stage.stop)) as entries:
                for item, entry in entries:
                    beside = self._members(item, entry)
                    if self._is_full(stage, beside):
                        self._finish(stage)
                        stage = Stage(self._target(), made, item)
                    self._add(stage, item, entry, beside)
                    self._tell(item + 1)
            self._finish(stage)
        finally:
            stage.close()

    def _entries(self, first: int) -> Generator[tuple[int, Prepared | BadItem]]:
        """Every item from the first on, made ready by threads."""
        stops = range(first, len(self.source), _AT_ONCE)
        parts = (range(at, min(at + _AT_ONCE, len(self.source))) for at in stops)
        with closing(
            mapped_ahead(self._prepared, parts, workers=self.workers, name="ilk-pack")
        ) as batches:
            for batch in batches:
                yield from batch

    def _prepared(self, items: range) -> list[tuple[int, Prepared | BadItem]]:
        out: list[tuple[int, Prepared | BadItem]] = []
        for item in items:
            try:
                with MEMORY.turn():
                    out.append((item, prepared(read_item(self.source, item), self.packing)))
            except BadItem as error:
                out.append((item, error))
        return out

    def _members(self, item: int, entry: Prepared | BadItem) -> tuple[bytes, int]:
        if isinstance(entry, BadItem):
            return b"", 0
        return sample(item, entry.ending, entry.data, self.known.beside(item))

    def _is_full(self, stage: Stage, beside: tuple[bytes, int]) -> bool:
        most = self.shard_bytes
        return most is not None and stage.bytes > 0 and stage.bytes + len(beside[0]) > most

    def _add(
        self, stage: Stage, item: int, entry: Prepared | BadItem, beside: tuple[bytes, int]
    ) -> None:
        if isinstance(entry, BadItem):
            stage.note(item, None, str(entry), frozenset())
            return
        start = stage.append(beside[0]) + beside[1]
        row = [item, start, len(entry.data), entry.height, entry.width]
        stage.note(item, row, "", entry.remarks)

    def _finish(self, stage: Stage) -> None:
        """Give a shard its index and its name."""
        stage.save()
        target = self._target()
        record, arrays = self._described(stage)
        if not (arrays["size"] >= 0).any() and not self.done:
            stage.remove()
            raise self._nothing(record["bad"])
        content = index.written(record, arrays)
        sweep(target)
        if target.suffix.lower() == ".tar":
            save_tar(target, stage, content)
        else:
            save_table(target, stage, content, self.known)
        stage.remove()
        self.done.append(Shard(target, record, arrays))

    def _described(self, stage: Stage) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        """Record and arrays of a shard."""
        first, items = stage.first, range(stage.first, stage.stop)
        columns = np.full((4, len(items)), -1, np.int64)
        bad: list[list[Any]] = []
        remarks: dict[str, int] = {}
        for line in stage.lines():
            if line.rows:
                rows = np.array(line.rows, np.int64)
                columns[:, rows[:, 0] - first] = rows[:, 1:].T
            bad += [[item, stored(self.source.key(item)), why] for item, why in line.bad]
            for remark, number in line.remarks.items():
                remarks[remark] = remarks.get(remark, 0) + number
        if self.path.suffix.lower() != ".tar":
            columns[0] = -1  # a table has no places
        names = ("offset", "size", "height", "width")
        record = {
            "version": LAYOUT,
            "made": self.made,
            "first": first,
            "stop": stage.stop,
            **self.known.record(),
            "left_out": [list(astuple(kind)) for kind in left_out(self.source)],
            "bad": bad,
            "remarks": dict(sorted(remarks.items())),
        }
        arrays = dict(zip(names, columns, strict=True)) | self.known.arrays(items)
        return record, arrays

    def _target(self) -> Path:
        """The file that comes next."""
        if self.shard_bytes is None:
            return self.path
        return self.path.with_stem(f"{self.path.stem}-{len(self.done):05d}")

    def _verified(self, target: Path, first: int) -> Shard:
        """A shard that is there, if it is the one that would be written."""
        shard = shard_of(target) if target.is_file() else None
        if shard is None:
            raise UserError(
                f"pack: {target} must be free, got something that ilk pack did not write; move "
                "it or choose another output"
            )
        made = shard.record["made"]
        other = [name for name, value in self.made.items() if made.get(name) != value]
        if other or shard.first != first:
            raise UserError(
                f"pack: {target} must have been packed from the same images in the same way, "
                f"got another {', '.join(other) or 'first item'}; delete it or choose another "
                "output"
            )
        return shard

    def _outcome(self) -> Packed:
        remarks: dict[str, int] = {}
        bad: list[Bad] = []
        for shard in self.done:
            bad += [Bad(index=item, key=key, reason=why)
                    for item, key, why in shard.record["bad"]]  # fmt: skip
            for remark, number in shard.record["remarks"].items():
                remarks[remark] = remarks.get(remark, 0) + number
        return Packed(
            paths=tuple(shard.path for shard in self.done),
            images=sum(int((shard.arrays["size"] >= 0).sum()) for shard in self.done),
            bytes=sum(shard.path.stat().st_size for shard in self.done),
            bad=tuple(bad),
            remarks=remarks,
            lost=self.done[0].record["lost"],
        )

    def _nothing(self, bad: list[list[Any]]) -> UserError:
        shown = "; ".join(f"{key}: {why}" for _, key, why in bad[:_SHOWN])
        return UserError(
            f"pack: {self.source.name} must hold images that can be read, got {len(bad)} bad "
            f"ones and no good one; the first: {shown}"
        )

    def _tell(self, done: int) -> None:
        if self.progress:
            self.progress(done, len(self.source))
