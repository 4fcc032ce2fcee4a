"""Images and their nearest neighbours."""

from collections.abc import Mapping

import numpy as np
import torch

from ilk.data import Reader, Source
from ilk.embedding import Embeddings, nearest
from ilk.viewer.report import CaptionedImage, Lookup, Neighbour


def lookups(
    spaces: Mapping[str, tuple[Embeddings, Embeddings]],
    known: Source,
    asked: Source,
    *,
    queries: int = 6,
    neighbours: int = 8,
) -> tuple[Lookup, ...]:
    """Some test images with their nearest training images in every space.

    Args:
        spaces: by name, the vectors of ``known`` and of ``asked``.
        known: where neighbours are looked for.
        asked: where queries come from: the first image of each of some classes.
        queries: how many, at most.
        neighbours: of each.
    """
    first = next(iter(spaces.values()))[1]
    rows = _chosen(first, queries)
    books = (Reader(known), Reader(asked))
    found = {name: _found(pair, rows, neighbours, books[0]) for name, pair in spaces.items()}
    return tuple(
        Lookup(
            query=read_captioned(books[1], first, row),
            found=tuple((name, entries[number]) for name, entries in found.items()),
        )
        for number, row in enumerate(rows)
    )


def _chosen(asked: Embeddings, queries: int) -> list[int]:
    """Rows of the first image of every class, evenly spread over the classes."""
    _, firsts = np.unique(asked.labels, return_index=True)
    places = np.linspace(0, len(firsts) - 1, min(queries, len(firsts))).round().astype(int)
    return firsts[places].tolist()


def _found(
    pair: tuple[Embeddings, Embeddings], rows: list[int], neighbours: int, book: Reader
) -> list[tuple[Neighbour, ...]]:
    known, asked = pair
    vectors = torch.from_numpy(asked.vectors[rows])
    indices, _ = nearest(vectors, torch.from_numpy(known.vectors), neighbours)
    return [
        tuple(
            Neighbour(
                image=read_captioned(book, known, at), agrees=agree(known, at, asked, row)
            )
            for at in near
        )
        for row, near in zip(rows, indices.tolist(), strict=True)
    ]


def agree(known: Embeddings, at: int, asked: Embeddings, row: int) -> bool | None:
    """Whether two rows have the same label; None where one is not known."""
    theirs, mine = label_name(known, at), label_name(asked, row)
    return None if theirs is None or mine is None else theirs == mine


def read_captioned(book: Reader, vectors: Embeddings, row: int) -> CaptionedImage:
    """The image behind a row, its label below it."""
    skipped = [entry.index for entry in vectors.bad]
    index = int(np.delete(np.arange(len(book)), skipped)[row])
    name = label_name(vectors, row) or "no label"
    key = vectors.keys[row].as_py()
    return CaptionedImage(pixels=book.read(index)[0], caption=name, alt=f"{name}, {key}")


def label_name(vectors: Embeddings, row: int) -> str | None:
    """The name of a row's class, or its number where classes have no names; else None."""
    label = int(vectors.labels[row])
    if label < 0:
        return None
    return vectors.classes[label] if label < len(vectors.classes) else str(label)
