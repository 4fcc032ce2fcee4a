"""Images near one, near an image from elsewhere, and those that a filter means.

Axes: N images.
"""

# pyarrow has no types
# pyright: reportUnknownParameterType=false, reportAttributeAccessIssue=false

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from jaxtyping import Bool, Float32

from ilk.core import UserError
from ilk.curate.filters import rows_meant
from ilk.data import Arrays, BadItem, decode
from ilk.embedding import embed
from ilk.explore.collection import NONE
from ilk.explore.neighbours import kept_share, others, ranks_back
from ilk.explore.page import Page

MOST = 200  # neighbours and images found
SAME_FILE, NEAR = "same file", "embedding"


def neighbours(page: Page, space: int, row: int, k: int) -> list[dict[str, Any]]:
    """The nearest of one image, with the reason why each is near and how it sees it itself.

    Raises:
        UserError: the image has no vector here.
    """
    among = page.maps.space(space)
    if row not in among.rows[np.searchsorted(among.rows, [row]).clip(0, len(among.rows) - 1)]:
        raise UserError(f"map: {among.name} has no vector of this image")
    k = min(k, MOST, len(among.rows) - 1)
    found, cosines = others(among, np.array([row]), k)
    back = ranks_back(among, row, found[0])
    marks = page.curation.partners(row)
    contents = page.collection.contents
    copies = page.copies
    out: list[dict[str, Any]] = []
    for place, (near, cosine) in enumerate(zip(found[0].tolist(), cosines[0], strict=True)):
        if near == NONE:
            continue
        reason = NEAR if copies is None else copies.reason(row, near) or NEAR
        if contents[row] and contents[row] == contents[near]:
            reason = SAME_FILE
        out.append(
            {
                "row": near,
                "similarity": float(cosine),
                "rank_back": back[place],
                "reason": reason,
                "pair": marks.get(near),
            }
        )
    return out


def search(page: Page, file: bytes, k: int) -> dict[str, Any]:
    """The images that are nearest to one from elsewhere.

    Raises:
        Working: the encoder is being loaded.
        UserError: there is no encoder, or the file is no image.
    """
    collection = page.collection
    encoder = page.encoder()
    try:
        pixels = decode(file, channels=encoder.channels)
    except BadItem as error:
        raise UserError(
            f"search: must be given an image, got a file that is {error}"
        ) from error
    made = embed(encoder, Arrays(pixels[None]), batch_size=1, workers=1)
    space = collection.spaces[0]
    found, cosines = space.search(made.vectors, min(k, MOST, len(collection)))
    known = found[0] != NONE
    return {
        "rows": found[0][known].tolist(),
        "similarities": cosines[0][known].astype(float).tolist(),
        "words": f"The nearest by {space.encoder}.",
    }


def where(page: Page, text: str) -> Bool[np.ndarray, " N"]:
    """The images that a filter means; an empty one means all.

    Raises:
        UserError: it is no filter.
    """
    if not text.strip():
        return np.ones(len(page), bool)
    return rows_meant(page.given, page.found, text)


def kept(page: Page, before: int, after: int, k: int) -> Float32[np.ndarray, " N"]:
    """Which share of its neighbours each image kept from one map to another.

    Raises:
        Working: the neighbours of all images are being found.
        UserError: there is no such map.
    """
    graphs = page.maps.graph(before), page.maps.graph(after)
    both = np.zeros(len(page), bool)
    both[np.intersect1d(page.maps.space(before).rows, page.maps.space(after).rows)] = True
    return kept_share(*graphs, both, k)


def exported(page: Page, chosen: Bool[np.ndarray, " N"], form: str) -> bytes:
    """A selection as a file: a table as parquet, vectors with it, or a list of keys by line."""
    rows = pa.array(np.flatnonzero(chosen))
    if form == "list":
        keys: Sequence[str] = page.collection.keys.take(rows).to_pylist()
        lines = (key.replace("\r", "\\r").replace("\n", "\\n") for key in keys)
        return "".join(f"{line}\n" for line in lines).encode("utf-8", "surrogateescape")
    import pyarrow.parquet as pq

    into = pa.BufferOutputStream()
    space = page.collection.spaces[0]
    vectors = np.asarray(space.vectors[rows.to_numpy()], np.float16)
    flat = pa.FixedSizeListArray.from_arrays(pa.array(vectors.ravel()), space.dim)
    table = page.collection.table.take(rows).append_column("vector", flat)
    pq.write_table(table, into, compression="zstd")
    return into.getvalue().to_pybytes()
