"""What the first file of an index says, checked when it is read: it may come from anybody."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from ilk.core import UserError, write_whole
from ilk.core.counts import count, size_words
from ilk.core.fields import (
    ANYTHING,
    Kind,
    as_json,
    check_fields,
    fixed,
    keyed,
    listed,
    maybe,
    number,
    one_of,
    read_json,
    text,
    whole,
)

NAME = "index.json"
LAYOUT = 1  # of the folder; raise it when a file changes its meaning
MOST_ROWS = 2**40
DERIVED = "derived"  # the folder of what others keep beside an index

PART: Mapping[str, Kind] = {
    "rows": whole(1, MOST_ROWS),
    "bytes": whole(1, 2**60),
    "seconds": number(0, 1e12),
    "date": text(40),
    "data": text(),
    "roots": keyed(text(10**5), 10**6),
}
MORE: Mapping[str, Kind] = {"vectors": text(64)}  # parts of earlier versions are without it
RECALL: Mapping[str, Kind] = {
    "at": whole(1, 10**6),
    "queries": whole(1, 10**9),
    "value": number(0, 1),
    "wanted": number(0, 1),
}
LISTS: Mapping[str, Kind] = {
    "lists": whole(1, 2**26),
    "probed": whole(1, 2**26),
    "codes": one_of("none", "sq8", "pq"),
    "segments": whole(1, 10**6),
    "trained_on": whole(1, MOST_ROWS),
}
FIELDS: Mapping[str, Kind] = {
    "layout": whole(LAYOUT, LAYOUT),
    "engine": one_of("exact", "ivf"),
    "encoder": text(),
    "encoder_name": text(),
    "encoder_spec": text(),
    "image_size": whole(1, 2**24),
    "dim": whole(1, 2**16),
    "normalised": one_of("unit"),
    "classes": listed(text(10**5), 10**7),
    "parts": listed(fixed(PART), 10**6),
    "recall": maybe(fixed(RECALL)),
    "ivf": maybe(fixed(LISTS)),
    "version": ANYTHING,
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Header:
    """What an index is of, how it was made, and what was measured of it.

    Args:
        engine: ``exact`` compares all vectors; ``ivf`` those of the nearest lists.
        encoder: fingerprint of the encoder.
        encoder_name: its network.
        encoder_spec: where it lies, as `ilk.networks.load_encoder` takes it; may be empty.
        image_size: side of the images that it reads, in pixels.
        dim: D.
        normalised: the length of all vectors.
        classes: names of the labels.
        parts: for each its rows, bytes, seconds to build and date, the fingerprint of its
            images (``data``), where its keys lead back to (``roots``, see `ilk.data`), and a
            digest of some of its ``vectors``, so that those of another index are noticed.
        recall: measured share of the true ``at`` nearest that a search finds, the queries that
            it was measured on, and what was asked for; None for exact search.
        ivf: the number of lists, how many a search looks into (``probed``), their codes, in
            how many segments they lie, and on how many vectors they were trained.
        layout: number of the folder's layout.
        version: version of ilk.
    """

    engine: str
    encoder: str
    encoder_name: str
    encoder_spec: str
    image_size: int
    dim: int
    normalised: str
    classes: list[str]
    parts: list[dict[str, Any]]
    recall: dict[str, Any] | None = None
    ivf: dict[str, Any] | None = None
    layout: int = LAYOUT
    version: str = ""

    @property
    def rows(self) -> int:
        """Rows of all parts, the deleted ones too."""
        return sum(part["rows"] for part in self.parts)


def read_header(folder: Path) -> Header:
    """The header of an index.

    Raises:
        UserError: the folder is no index, a half-built one, or what its header says cannot be.
    """
    place = folder / NAME
    if not place.exists():
        half = folder.with_name(f"{folder.name}.partial")
        what = "only one that is not finished" if half.is_dir() else "none"
        raise UserError(
            f"index: {folder} must be a folder that ilk index wrote, found {what}; call ilk "
            f"index TABLE -o {folder}"
        )
    found = read_json(place, "index")
    where = f"index: {place}"
    if isinstance(found, dict) and found.get("layout") not in {None, LAYOUT}:
        raise UserError(f"{where}: must have layout {LAYOUT}; build it again by ilk index")
    header = Header(**check_fields(found, FIELDS, where))
    if (header.engine == "ivf") != (header.ivf is not None) or not header.parts:
        raise UserError(f"{where}: must say parts and how engine {header.engine} is set up")
    return header


def write_header(folder: Path, header: Header) -> None:
    """Write it, whole or not at all."""
    write_whole(folder / NAME, as_json(asdict(header)) + "\n", "index")


def in_words(header: Header) -> str:
    """What an index says of itself, in one sentence."""
    size = size_words(sum(part["bytes"] for part in header.parts))
    of = f"{count(header.rows, 'row')} of {header.dim} numbers, {size}"
    if header.ivf is None or header.recall is None:
        return f"{of}; exact search"
    recall, ivf = header.recall, header.ivf
    return (
        f"{of}; recall@{recall['at']} {recall['value']:.4f} on {recall['queries']} queries, by "
        f"{ivf['probed']} of {ivf['lists']} lists, codes {ivf['codes']}"
    )


def with_part(header: Header, part: Mapping[str, Any]) -> Header:
    """The header with one part more."""
    return replace(header, parts=[*header.parts, dict(part)])
