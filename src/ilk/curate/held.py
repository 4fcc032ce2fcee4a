"""What holds for each image by all rows of a list of decisions. Axes: N images."""

# pyarrow has no types
# pyright: reportUnknownParameterType=false, reportAttributeAccessIssue=false

from collections import defaultdict
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from jaxtyping import Int64

from ilk.curate.decisions import HAND, SCHEMA, heaviest


def verdicts(table: pa.Table) -> pa.Table:
    """What follows for each image from all its rows, in the order of the rows that decide.

    An image is dropped if a rule drops it, but where rows are by hand the latest of these says
    whether it is. Otherwise it is selected if any row selects it, and kept if none does.

    Returns:
        ``key``, ``content``, ``verdict`` and the ``reason``, ``by`` and ``other`` of the row
        that decides: one row an image, and one without content for all further images of a key
        that has a row without; see `rows_about`.
    """
    table = _with_contents(table)
    table = table.append_column("image", pa.array(_images(table)))
    by_hand = table.filter(pc.equal(table["by"], HAND))
    last = heaviest(by_hand, ["image"], np.zeros(len(by_hand), np.int64))
    stays = last.filter(pc.not_equal(last["decision"], "drop"))["image"]
    ranks = pc.index_in(table["decision"], pa.array(["keep", "select", "drop"]))
    overruled = pc.and_(pc.equal(table["decision"], "drop"), pc.is_in(table["image"], stays))
    weights = pc.if_else(overruled, -1, ranks).to_numpy().astype(np.int64)
    chosen = heaviest(table, ["image"], weights)
    return chosen.select(
        ["key", "content", "decision", "reason", "by", "other"]
    ).rename_columns(["key", "content", "verdict", "reason", "by", "other"])


def rows_about(held: pa.Table, keys: Any, contents: Any) -> Int64[np.ndarray, " N"]:
    """The row of verdicts that is about each image.

    It is the one with the key and content of the image, else one with the key and no content.
    Of an image whose content is not known, any row with its key is.

    Args:
        held: what `verdicts` gave.
        keys: the key of each image, an array of Arrow.
        contents: digest of the bytes of each, likewise; null where it is not known.

    Returns:
        -1 where no row is about an image.
    """
    place: dict[tuple[str, int | None], int] = {}
    last: dict[str, int] = {}
    pairs = zip(held["key"].to_pylist(), held["content"].to_pylist(), strict=True)
    for row, (key, content) in enumerate(pairs):
        place[key, content] = last[key] = row

    def row_of(key: str, content: int | None) -> int:
        other = last[key] if content is None else -1
        return place.get((key, content), place.get((key, None), other))

    out = np.full(len(keys), -1, np.int64)
    named = np.flatnonzero(pc.is_in(keys, held["key"].cast(keys.type)))
    asked = (column.take(pa.array(named)).to_pylist() for column in (keys, contents))
    out[named] = [row_of(key, content) for key, content in zip(*asked, strict=True)]
    return out


def _with_contents(table: pa.Table) -> pa.Table:
    """Rows without content once more for each content of their key, since they hold for all."""
    if not table["content"].null_count:
        return table
    pairs = list(zip(table["key"].to_pylist(), table["content"].to_pylist(), strict=True))
    known: dict[str, set[int]] = defaultdict(set)
    for key, content in pairs:
        if content is not None:
            known[key].add(content)
    further = [known[key] if content is None else () for key, content in pairs]
    rows = np.repeat(np.arange(len(table)), [1 + len(contents) for contents in further])
    contents = [
        one for pair, more in zip(pairs, further, strict=True) for one in (pair[1], *more)
    ]
    column = pa.array(contents, SCHEMA.field("content").type)
    at = table.schema.get_field_index("content")
    return table.take(pa.array(rows)).set_column(at, SCHEMA.field("content"), column)


def _images(table: pa.Table) -> Int64[np.ndarray, " rows"]:
    """The number of the image that each row is about: equal where key and content are."""
    keys, contents = (
        pc.dictionary_encode(table[name].combine_chunks(), null_encoding="encode")
        for name in ("key", "content")
    )
    first, second = (codes.indices.to_numpy().astype(np.int64) for codes in (keys, contents))
    return first * len(contents.dictionary) + second
