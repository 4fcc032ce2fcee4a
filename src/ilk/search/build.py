"""Indexes made from tables of vectors, by one process or several. Axes: N rows, D features."""

# pyarrow has no types
# pyright: reportUnknownParameterType=false

import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from jaxtyping import Float32

from ilk.core import UserError, check_writable, lock, write_whole
from ilk.core.fields import as_json, read_json
from ilk.core.files import partial
from ilk.core.ranks import Rank, rank
from ilk.core.version import VERSION
from ilk.search.header import Header, with_part, write_header
from ilk.search.index import Index
from ilk.search.ivf import FOLDER, MOST_SAMPLE, SAMPLE, SEED, Coarse, faiss
from ilk.search.lists import names, read_segment, write_segment
from ilk.search.parts import Batch, read_part, rows_file, vectors_file, write_part
from ilk.search.plan import FINER, Plan
from ilk.search.recall import check_recall, measured
from ilk.search.tables import KNOWN_BY, Table
from ilk.search.vectors import Vectors

MAKING = "making.json"
PATIENCE = 7 * 24 * 3600.0  # seconds that a process waits for another one's training
_GROUP = 4096  # rows of a table that lie together
_OF_GROUP = 1024  # of these train at most
Progress = Callable[[int, int], None]


def build_index(
    table: str | Path,
    folder: str | Path,
    plan: Plan | None = None,
    *,
    progress: Progress | None = None,
) -> Index:
    """Build an index from a table of ``ilk embed``.

    Call it again after an interruption: finished parts are kept. The folder appears under its
    name only when it is whole; until then its parts lie beside it in ``NAME.partial``.

    Args:
        table: parquet, a file or shards.
        folder: the index.
        plan: how; None for the defaults.
        progress: called with the rows done and their number.

    Raises:
        UserError: the table is none of ours, an index of something else is there, the recall
            asked for cannot be had, FAISS is needed and not installed, or nothing can be
            written.
    """
    made = build_share(table, folder, plan, progress=progress, mine=Rank())
    assert made is not None
    return made


def build_share(
    table: str | Path,
    folder: str | Path,
    plan: Plan | None = None,
    *,
    progress: Progress | None = None,
    mine: Rank | None = None,
) -> Index | None:
    """The share of this process in an index that several build; see `build_index`.

    Each takes the parts that are its own; one trains for all; the one that finds all parts
    finished puts them together, measures recall and gives the folder its name.

    Args:
        table: what all read.
        folder: where all write.
        plan: the same for all.
        progress: called with the rows done and their number.
        mine: which process this is; None for what torchrun or Slurm say.

    Returns:
        The index; None where other processes have not finished their parts.
    """
    mine, plan = mine or rank(), plan or Plan()
    source, out = Table(Path(table)), Path(folder)
    several = mine.world > 1
    with nullcontext() if several else lock(out, "index"):
        work = _Work(source, partial(out, "index"), plan, mine, progress)
        if out.exists():
            return work.finished(out)
        work.claim()
        work.write_parts()
        if not work.whole():
            return None
        with lock(out, "index", wait=PATIENCE) if several else nullcontext():
            if not out.exists():
                work.finish(out)
    return Index(out)


class _Work:
    """What is to be built, and where its parts lie until it is whole."""

    def __init__(
        self, source: Table, half: Path, plan: Plan, mine: Rank, progress: Progress | None
    ) -> None:
        self._source, self._half, self._plan = source, half, plan
        self._progress, self._several = progress, mine.world > 1
        self._ivf = plan.ivf(len(source))
        if self._ivf:
            faiss()
        self._lists = plan.lists_of(len(source))
        self._starts = range(0, len(source), plan.part_rows)
        self._mine = range(mine.number, len(self._starts), mine.world)
        made = source.made
        self._header = Header(
            engine="exact", encoder=made["encoder"], encoder_name=made["encoder_name"],
            encoder_spec=source.encoder_spec, image_size=made["image_size"], dim=made["dim"],
            normalised="unit", classes=list(made["classes"]), parts=[], version=VERSION,
        )  # fmt: skip

    def finished(self, out: Path) -> Index:
        """An index that is there already, if it is this one."""
        index = Index(out)
        found, source = index.header, self._source
        same = (found.encoder, found.parts[0]["data"], found.rows) == (
            self._header.encoder, source.made["data"], len(source),
        )  # fmt: skip
        named = self._plan.engine in {"auto", found.engine} and self._plan.fits(found)
        if not (same and named and source.has(index.ids, index.columns(KNOWN_BY))):
            raise UserError(
                f"index: {out} must be free or this index of {source.path}, got another;"
                " choose another output, or append to it"
            )
        return index

    def claim(self) -> None:
        """Go on only with parts of the same making."""
        check_writable(self._half / MAKING, "index")
        making = {
            **asdict(self._header), "table": self._source.made,
            "part_rows": self._plan.part_rows,
        }  # fmt: skip
        if not _agree(self._half / MAKING, making):
            raise UserError(
                f"index: {self._half} must hold the parts of the same table and settings, got "
                "others; remove it or choose another output"
            )
        if self._ivf:
            lists = self._half / FOLDER
            making = {"codes": self._plan.codes, "lists": self._lists}
            if not _agree(lists / MAKING, making):
                shutil.rmtree(lists)
                _agree(lists / MAKING, making)

    def write_parts(self) -> None:
        """The parts of this process, and their lists."""
        for number in self._mine:
            held = lock(rows_file(self._half, number), "index")
            with held if self._several else nullcontext():
                if read_part(self._half, number) is None:
                    start, stop = self._range(number)
                    batches = batches_of(
                        self._source, start, stop, self._header.classes, self._progress
                    )
                    write_part(self._half, number, start, batches, beside(self._source))
        if not self._ivf or (self._half / FOLDER / "lists-sizes-00000.npy").exists():
            return
        coarse = self._coarse()
        for number in self._mine:
            place = names(self._half / FOLDER, number, "part")
            if not place[1].exists():
                blocks = Vectors([vectors_file(self._half, number)]).blocks()
                start, _ = self._range(number)
                coarse.encode(place, ((start + at, block) for at, block in blocks))

    def whole(self) -> bool:
        """Whether the parts of all processes are there."""
        every = range(len(self._starts))
        if any(read_part(self._half, number) is None for number in every):
            return False
        lists = self._half / FOLDER
        return (
            not self._ivf
            or (lists / "lists-sizes-00000.npy").exists()
            or all(names(lists, number, "part")[1].exists() for number in every)
        )

    def finish(self, out: Path) -> None:
        """Put the parts together, measure, and give the folder its name.

        Raises:
            UserError: the recall asked for cannot be had.
        """
        header = self._header
        for number in range(len(self._starts)):
            part = read_part(self._half, number)
            assert part is not None
            header = with_part(header, part)
        if self._ivf:
            header = self._with_lists(header)
        else:  # of an earlier plan, perhaps
            shutil.rmtree(self._half / FOLDER, ignore_errors=True)
        write_header(self._half, header)
        (self._half / MAKING).unlink()
        self._half.rename(out)

    def _with_lists(self, header: Header) -> Header:
        folder = self._half / FOLDER
        coarse = Coarse.load(folder, self._lists, header.dim, self._plan.codes)
        place = names(folder, 0, "lists")
        every = [names(folder, number, "part") for number in range(len(self._starts))]
        if not place[1].exists():
            parts = [read_segment(part, coarse.code, self._lists) for part in every]
            sizes = np.sum([part.sizes for part in parts], 0)
            write_segment(place, coarse.code, sizes, [part.read for part in parts])
        for file in (file for part in every for file in part):
            file.unlink(missing_ok=True)
        setup = {
            "lists": self._lists, "probed": 1, "codes": self._plan.codes, "segments": 1,
            "trained_on": self._sample_size(),
        }  # fmt: skip
        header = replace(header, engine="ivf", ivf=setup)
        write_header(self._half, header)
        probed, recall = measured(Index(self._half), self._plan.recall)
        check_recall(recall, self._lists, FINER[self._plan.codes])
        (folder / MAKING).unlink()
        return replace(header, ivf={**setup, "probed": probed}, recall=recall)

    def _coarse(self) -> Coarse:
        """The centroids of all parts: one process trains them, the others wait."""
        folder, dim = self._half / FOLDER, self._header.dim
        place = folder / "centroids.npy"
        with lock(place, "index", wait=PATIENCE):
            if not place.exists():
                Coarse.train(self._sample(), self._lists, self._plan.codes).save(folder)
        return Coarse.load(folder, self._lists, dim, self._plan.codes)

    def _sample_size(self) -> int:
        most = MOST_SAMPLE // (4 * self._header.dim)
        return min(len(self._source), max(SAMPLE * self._lists, 256), most)

    def _sample(self) -> Float32[np.ndarray, "n D"]:
        """Vectors from all over the table: of some groups of rows, some rows of each."""
        rng, size = np.random.default_rng(SEED), self._sample_size()
        groups = -(-len(self._source) // _GROUP)
        chosen = min(max(-(-size // _OF_GROUP), 1), groups)
        found: list[np.ndarray] = []
        left = size
        for done, group in enumerate(np.sort(rng.choice(groups, chosen, replace=False))):
            start = int(group) * _GROUP
            rows = self._source.batches(start, min(start + _GROUP, len(self._source)))
            block = np.concatenate([self._source.vectors(batch) for batch in rows])
            some = min(-(-left // (chosen - done)), len(block))
            found.append(block[np.sort(rng.choice(len(block), some, replace=False))])
            left -= some
        return np.concatenate(found)

    def _range(self, number: int) -> tuple[int, int]:
        start = self._starts[number]
        return start, min(start + self._plan.part_rows, len(self._source))


def beside(source: Table) -> dict[str, Any]:
    """What the header says of the images of a part."""
    return {"data": source.made["data"], "roots": source.roots}


def batches_of(
    source: Table, start: int, stop: int, classes: Sequence[str], progress: Progress | None
) -> Iterator[Batch]:
    """Columns and vectors of some rows, labels numbered as in ``classes``."""
    number = {name: place for place, name in enumerate(classes)}
    moved = np.array([*(number[name] for name in source.made["classes"]), -1], np.int64)
    done = start
    for batch in source.batches(start, stop):
        columns = source.facts(batch)
        if "label" in columns:
            found = columns["label"].fill_null(-1).to_numpy(zero_copy_only=False)
            columns["label"] = pa.array(moved[found], mask=found < 0)
        yield columns, source.vectors(batch)
        done += len(batch)
        if progress:
            progress(done, len(source))


def _agree(place: Path, making: dict[str, Any]) -> bool:
    """Write how something is made, or compare it with what stands there."""
    words = as_json(making) + "\n"
    if not place.exists():
        write_whole(place, words, "index")
        return True
    return as_json(read_json(place, "index")) + "\n" == words
