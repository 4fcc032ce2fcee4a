"""Embeddings in files, written so that a stopped run loses little. Axes: N rows, D features.

A table holds ``key`` (string, a path below one of ``roots`` in the metadata), ``content``
(uint64, a digest of the bytes), ``width`` and ``height`` (int32, upright, in pixels), ``label``
(int64, null when unknown) and ``label_name`` (string) when the source has classes, each fact
of the items that the source knows by name (whole numbers, numbers or text), and ``vector``
(fixed_size_list of float16 or float32), or ``map`` or ``tokens`` in its place
(fixed_shape_tensor, which others see as a fixed_size_list).
What made it stands as JSON under ``ilk`` in the schema's metadata; `ilk.embedding.formats` says
what CSV and npz make of this. A table of predictions has ``class`` (string), ``probability``
and ``margin`` (float32) in the place of ``vector``, and perhaps ``probabilities``
(fixed_size_list of float16), of every class.
"""

# pyarrow has no types
# pyright: reportUnknownParameterType=false

import math
import shutil
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Literal, Unpack

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch

from ilk.core import UserError, check_writable, lock, sweep
from ilk.core.counts import count
from ilk.core.endings import Format, table_format
from ilk.core.files import partial
from ilk.core.ranks import Rank, rank
from ilk.data import Source, file_times
from ilk.embedding.batches import Batch, embed_batches
from ilk.embedding.checks import all_finite, nothing_readable
from ilk.embedding.columns import ClassColumns, Columns, PlacesColumn, VectorColumn
from ilk.embedding.formats import save_csv, save_npz, save_parquet, sidecar
from ilk.embedding.job import Job, Reading, known
from ilk.embedding.stored import bad_of, facts_of
from ilk.networks import FEATURE, Classifier, Encoder, Field, field_shape

PIECE = 4096  # items that an interruption can cost at most; a row group each
NUMBERS = 2**25  # of the maps or tokens of a piece: 128 MB
SHARD = 100_000  # items of a shard of parquet


def embed_to_table(
    encoder: Encoder,
    source: Source,
    path: str | Path,
    *,
    shard_rows: int | None = None,
    dtype: Literal["float16", "float32"] = "float16",
    field: Field = FEATURE,
    encoder_spec: str = "",
    progress: Callable[[int, int], None] | None = None,
    **reading: Unpack[Reading],
) -> Path:
    """Embed a source into a parquet, CSV or npz file, or a directory of shards of parquet.

    Call it again after an interruption: finished shards and pieces of 4,096 items are kept. A
    file appears under its name only when it is whole; until then its pieces lie beside it in
    ``NAME.partial``. Memory holds a piece at most, and the facts of the items.

    Under ``torchrun``, ``srun`` or a Slurm array each process writes the shards that are its
    own, and no other; a process does not wait for the others.

    Args:
        encoder: stays as it is.
        source: of images; unreadable items have no row and are listed in the facts.
        path: a file ``photos.parquet``, ``.csv`` or ``.npz``; of CSV and npz the facts stand
            beside it in ``photos.csv.json``. Or a directory for ``part-00000.parquet`` and so
            on, which is made when the items do not fit one shard.
        shard_rows: items in a shard of parquet, 100,000 when None. CSV and npz are one file.
        dtype: of the vectors.
        field: what of the images is kept, as in `ilk.networks.showing`: one vector, or the map
            or the tokens, which CSV does not take. Pieces then have fewer items.
        encoder_spec: where the encoder lies, kept in the table for those who ask with it.
        progress: called with the items done and their number; what was kept counts as done.
        reading: ``batch_size``, ``device`` and ``workers`` of ``embed``.

    Returns:
        The file or directory.

    Raises:
        UserError: the name ends as another kind of file does, ``shard_rows`` or ``field`` does
            not fit, another encoder, other data or older files were embedded there, a vector
            has NaN or infinity or does not fit float16, nothing could be read, or the disk is
            full.
    """
    columns = VectorColumn(encoder, dtype)
    if field != FEATURE:
        if table_format(Path(path)) == "csv":
            raise UserError(f"embed: {field} must go to parquet or npz, got {path}")
        columns = PlacesColumn(field, field_shape(encoder, field), dtype)
    job = Job(
        encoder, source, columns, shard_rows or SHARD, reading, progress, "embed",
        known(source, field), encoder_spec,
    )  # fmt: skip
    return _written(job, Path(path), shard_rows)


def predict_to_table(
    encoder: Encoder,
    classifier: Classifier,
    source: Source,
    path: str | Path,
    *,
    shard_rows: int | None = None,
    whole: bool = False,
    progress: Callable[[int, int], None] | None = None,
    **reading: Unpack[Reading],
) -> Path:
    """The same with classes in the place of vectors.

    Args:
        encoder: stays as it is.
        classifier: one of its features.
        source: as in `embed_to_table`, and so are the others.
        path: file or directory.
        shard_rows: items in a shard of parquet.
        whole: whether the probabilities of all classes are kept too.
        progress: called with the items done and their number.
        reading: ``batch_size``, ``device`` and ``workers``.
    """
    columns = ClassColumns(classifier, whole)
    job = Job(
        encoder, source, columns, shard_rows or SHARD, reading, progress, "predict",
        known(source),
    )  # fmt: skip
    return _written(job, Path(path), shard_rows)


def _written(job: Job, path: Path, shard_rows: int | None) -> Path:
    """The whole table of a job, in shards of so many rows where they were asked for."""
    kind = table_format(path)
    if kind != "parquet":
        if shard_rows is not None:
            raise UserError(
                f"shard_rows: must be left out for {kind}, which is one file, got {shard_rows};"
                " write parquet for shards"
            )
        job = replace(job, shard_rows=max(len(job.source), 1))
    elif shard_rows is not None and shard_rows < 1:
        raise UserError(f"shard_rows: must be 1 or more, got {shard_rows}")
    mine = rank()
    if mine.world > 1:  # each shard has its own lock
        if torch.cuda.is_available():
            torch.cuda.set_device(mine.local % torch.cuda.device_count())
        return _embed(job, path, mine)
    with lock(path, job.verb):
        return _embed(job, path, mine)


def _embed(job: Job, path: Path, mine: Rank) -> Path:
    source, shard_rows = job.source, job.shard_rows
    shards = max(-(-len(source) // shard_rows), 1)
    targets = [path]
    if table_format(path) != "parquet":
        _check_sidecar(path, job.verb)
    elif shards > 1 or path.is_dir():
        _check_folder(path, job.verb)
        for found in [path] if path.is_file() else sorted(path.glob("part-*.parquet")):
            job.verify(found)
        targets = [path / f"part-{number:05d}.parquet" for number in range(shards)]
    if not all(target.exists() for target in targets):
        job = replace(job, times=file_times(source))
    check_writable(targets[0], job.verb)
    for number in range(mine.number, len(targets), mine.world):
        first = number * shard_rows
        items = range(first, min(first + shard_rows, len(source)))
        with nullcontext() if mine.world == 1 else lock(targets[number], job.verb):
            _write_shard(job, targets[number], items)
    bad = [skipped for target in targets if target.exists() for skipped in bad_of(target)]
    if len(bad) == len(source):
        for target in targets:
            target.unlink(missing_ok=True)
            sidecar(target).unlink(missing_ok=True)
        raise nothing_readable(source, bad, job.verb)
    return path


def _check_folder(path: Path, verb: str) -> None:
    """Refuse to write shards among files that are not ours, such as those of a run."""
    if not path.is_dir() or any(path.glob("part-*")):
        return
    if others := sorted(one.name for one in path.iterdir() if not one.name.startswith(".")):
        raise UserError(
            f"{verb}: {path} must be empty or hold shards of this table, got a folder with"
            f" {others[0]}; choose another output, such as {path / 'embeddings.parquet'}"
        )


def _check_sidecar(path: Path, verb: str) -> None:
    """Refuse to write facts over a file that is not ours."""
    place = sidecar(path)
    if place.is_file():
        try:
            facts_of(path)
        except UserError as error:
            raise UserError(
                f"{verb}: {place} must be free for the facts of {path.name}, got a file that"
                " ilk did not write; move it or choose another output"
            ) from error
    check_writable(place, verb)


def _write_shard(job: Job, target: Path, items: range) -> None:
    """One shard from its pieces, making those that are missing."""
    if target.exists():
        job.verify(target)
        job.tell(items.stop)
        return
    folder = partial(target, job.verb)
    pieces: list[Path] = []
    size = _piece(job.columns)
    for start in range(0, max(len(items), 1), size):
        part = items[start : start + size]
        pieces.append(folder / f"{part.start:012d}.parquet")
        if pieces[-1].exists():
            job.verify(pieces[-1])
            job.tell(part.stop)
        else:
            sweep(pieces[-1])
            _write_piece(job, pieces[-1], part)
    bad = [skipped for piece in pieces for skipped in bad_of(piece)]
    rows = sum(pq.read_metadata(piece).num_rows for piece in pieces)
    if rows + len(bad) != len(items):
        raise UserError(
            f"{job.verb}: {folder} must hold {count(len(items), 'image')}, got {rows:,} with a"
            f" row and {len(bad):,} that could not be read; delete it and call this again"
        )
    sweep(target, sidecar(target))
    SAVE[table_format(target)](target, pieces, job.schema(bad), job.verb)
    shutil.rmtree(folder)


def _piece(columns: Columns) -> int:
    """Items of a piece: no more than a piece of places may hold in memory."""
    if isinstance(columns, PlacesColumn):
        return max(1, min(PIECE, NUMBERS // math.prod(columns.shape)))
    return PIECE


def _write_piece(job: Job, target: Path, items: range) -> None:
    batches: list[Batch] = []
    for batch in embed_batches(
        job.encoder, job.source, items=items, field=job.columns.field, **job.reading
    ):
        batches.append(batch)
        job.tell(batch.items.stop)
    keys = [key for batch in batches for key in batch.keys]
    if keys:
        vectors = np.concatenate([batch.vectors for batch in batches])
        all_finite(job.encoder, vectors, keys.__getitem__, job.verb)
    schema = job.schema(bad for batch in batches for bad in batch.bad)
    tables = (job.table(batch, schema) for batch in batches)
    save_parquet(target, tables, schema, job.verb)


def _join(target: Path, pieces: Sequence[Path], schema: pa.Schema, verb: str) -> None:
    save_parquet(target, map(pq.read_table, pieces), schema, verb)


SAVE: Mapping[Format, Callable[[Path, Sequence[Path], pa.Schema, str], None]] = {
    "parquet": _join,
    "csv": save_csv,
    "npz": save_npz,
}
