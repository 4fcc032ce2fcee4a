"""Vectors kept between calls, by encoder, data and image size, in ``cache_folder()``.

Whatever cannot be read or written is as good as missing.
"""

# pyarrow has no types
# pyright: reportUnknownParameterType=false

import contextlib
import json
import os
from collections.abc import Callable
from dataclasses import asdict, replace
from hashlib import blake2b
from pathlib import Path

import numpy as np
import pyarrow as pa

from ilk.core import UserError, replacing, sweep_old
from ilk.data import Bad, Source, cache_folder, unlabelled_because
from ilk.embedding.batches import embed
from ilk.embedding.record import Embeddings
from ilk.networks import Encoder

MOST_BYTES = 4 * 2**30  # of all features kept; the longest unused go first
_LAYOUT = 2  # raise it when a file changes its meaning


def cached(
    encoder: Encoder,
    source: Source,
    *,
    batch_size: int = 256,
    device: str = "auto",
    workers: int = 2,
    progress: Callable[[int, int], None] | None = None,
    most_bytes: int = MOST_BYTES,
) -> Embeddings:
    """What ``embed`` returns, from the cache if it was computed before.

    A source is known by its fingerprint, which covers names and sizes rather than every byte:
    files changed in place under the same name and size are not noticed.

    Args:
        encoder: as for ``embed``.
        source: as for ``embed``.
        batch_size: as for ``embed``.
        device: as for ``embed``; it does not enter the key.
        workers: as for ``embed``.
        progress: as for ``embed``; not called when nothing has to be embedded.
        most_bytes: of all files kept. Those used longest ago go first.

    Raises:
        UserError: nothing could be read, or a vector has NaN or infinity.
    """
    place = _place(encoder, source)
    found = None if place is None else _load(place)
    if found is None:
        found = embed(
            encoder, source, batch_size=batch_size, device=device, workers=workers,
            progress=progress,
        )  # fmt: skip
        if place is not None:
            _save(place, found)
            _bound(place.parent, most_bytes)
    return replace(found, unlabelled_because=unlabelled_because(source))


def _place(encoder: Encoder, source: Source) -> Path | None:
    """The file of these vectors; None where there is no home to keep them in."""
    key = [encoder.fingerprint, encoder.image_size, source.fingerprint, _LAYOUT]
    name = blake2b(json.dumps(key).encode(), digest_size=16).hexdigest()
    try:
        return cache_folder() / f"features-{name}.arrow"
    except RuntimeError:
        return None


def _load(place: Path) -> Embeddings | None:
    try:
        with pa.OSFile(str(place), "rb") as file:
            table = pa.ipc.open_file(file).read_all().combine_chunks()
        os.utime(place)  # used just now
        facts = json.loads(table.schema.metadata[b"ilk"])
        flat = table["vector"].chunk(0).flatten().to_numpy()
        return Embeddings(
            vectors=flat.reshape(len(table), -1),
            labels=table["label"].to_numpy(),
            keys=table["key"].chunk(0),
            classes=tuple(facts["classes"]),
            encoder=facts["encoder"],
            data=facts["data"],
            bad=tuple(Bad(**entry) for entry in facts["bad"]),
            contents=table["content"].to_numpy(),
        )
    except (OSError, KeyError, ValueError, pa.ArrowException):
        return None


def _save(place: Path, found: Embeddings) -> None:
    """Beside, then renamed: no reader sees half a file, two writers do not meet."""
    facts = {
        "encoder": found.encoder,
        "data": found.data,
        "classes": found.classes,
        "bad": [asdict(bad) for bad in found.bad],
    }
    flat = pa.array(np.ascontiguousarray(found.vectors).ravel())
    columns = {
        "key": found.keys,
        "label": pa.array(found.labels),
        "content": pa.array(found.contents, pa.uint64()),
        "vector": pa.FixedSizeListArray.from_arrays(flat, found.vectors.shape[1]),
    }
    table = pa.table(columns).replace_schema_metadata({"ilk": json.dumps(facts)})
    with (
        contextlib.suppress(UserError),
        replacing(place, "cache") as beside,
        beside.open("wb") as file,
        pa.ipc.new_file(file, table.schema) as writer,
    ):
        writer.write_table(table)


def _bound(folder: Path, most_bytes: int) -> None:
    """Delete the files used longest ago until the rest fits, and what killed saves left."""
    sweep_old(folder)
    with contextlib.suppress(OSError):
        files = [(file.stat(), file) for file in folder.glob("features-*.arrow")]
        total = sum(status.st_size for status, _ in files)
        for status, file in sorted(files, key=lambda entry: entry[0].st_mtime_ns):
            if total <= most_bytes:
                return
            file.unlink(missing_ok=True)
            total -= status.st_size
