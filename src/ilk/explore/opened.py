"""An index, and other encoders on the same images, as the collection of a page."""

# pyarrow has no types
# pyright: reportUnknownParameterType=false

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from ilk.core import UserError
from ilk.curate.filters import Findings
from ilk.curate.graph import index_search
from ilk.data import Source, default_workers
from ilk.embedding import Embeddings, cached, read_embeddings
from ilk.explore.collection import Collection, further_space, whole_space
from ilk.networks import load_encoder
from ilk.search import Index


def open_collection(
    index: Index,
    others: Sequence[str] = (),
    *,
    encoder: str | None = None,
    progress: Callable[[str, int, int], None] | None = None,
) -> Collection:
    """The images of an index, with maps of the index and of other encoders.

    Args:
        index: holds the images' keys and vectors.
        others: runs or further encoders, which embed the images now unless their vectors are
            still kept; tables that ilk embed wrote; or indexes.
        encoder: where the encoder of the index lies, if the index does not say.
        progress: called with a name, the images embedded and their number.

    Raises:
        UserError: something is missing, or holds other images.
    """
    table = index.table.combine_chunks()
    try:
        images: Source | str = index.images()
    except UserError as error:
        images = str(error)
    keys, contents = table["key"].combine_chunks(), table["content"].to_numpy()
    spaces = [whole_space(index.folder.name, _named(index), index.vectors, index_search(index))]
    for other in others:
        found = _embeddings(other, images, progress)
        spaces.append(further_space(other, found, keys, contents))
    return Collection(
        index.folder.name,
        index.ids,
        table,
        spaces,
        images=images,
        # ilk embed warns of weights that had to be fitted.
        encoder=lambda: index.encoder(encoder, tell=lambda _: None),
        roots=sorted({root for part in index.header.parts for root in part["roots"].values()}),
        findings=Findings.of(index),
    )


def _named(index: Index) -> str:
    return f"{index.header.encoder_name} {index.header.encoder[:12]}"


def _embeddings(
    spec: str, images: Source | str, progress: Callable[[str, int, int], None] | None
) -> Embeddings:
    """The vectors that a table or an index holds, or that an encoder makes of the images."""
    path = Path(spec)
    if (path / "index.json").is_file():
        return _of_index(Index.open(path))
    if path.suffix.lower() in {".parquet", ".csv", ".npz"} or list(path.glob("part-*.parquet")):
        return read_embeddings(path)
    if isinstance(images, str):
        raise UserError(f"view: {spec} must embed the images, but {images}")
    return cached(
        load_encoder(spec), images, workers=default_workers(),
        progress=None if progress is None else lambda done, of: progress(spec, done, of),
    )  # fmt: skip


def _of_index(index: Index) -> Embeddings:
    table = index.table
    return Embeddings(
        vectors=np.asarray(index.vectors[:], np.float32),
        labels=np.full(len(index), -1),
        keys=table["key"].combine_chunks(),
        classes=(),
        encoder=index.header.encoder,
        data=index.fingerprint,
        contents=table["content"].to_numpy(),
    )
