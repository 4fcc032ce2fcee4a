"""A source from which files that a run has listed as bad were taken away, or mended."""

from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

import numpy as np
from jaxtyping import Int64

from ilk.core import UserError
from ilk.core.facts import Fact
from ilk.core.unknown import UNKNOWN
from ilk.data import Bad, BadItem, Source, fact
from ilk.data.source import digest


def _parted(source: Source, bad: Container[str]) -> tuple[list[int], list[int]]:
    """The items whose key is not among the bad ones, and the others."""
    good, others = list[int](), list[int]()
    for index in range(len(source)):
        (others if source.key(index) in bad else good).append(index)
    return good, others


def _keys(source: Source, items: Iterable[int]) -> str:
    """A digest of the keys of some items, in order."""
    return digest(source.key(index).encode(errors="surrogateescape") for index in items)


def bad_files(
    record: dict[str, Any], met: Sequence[Bad], source: Source
) -> list[dict[str, Any]]:
    """Those met in this process, and those met before the run was stopped.

    Where there are new ones, the record keeps enough to go on with when they are taken away or
    mended.

    Args:
        record: the record of the run.
        met: in this process.
        source: the images of the run.
    """
    known = {entry["index"]: entry for entry in record.get("bad_files", [])}
    before = len(known)
    for entry in met:
        known[entry.index] = {**asdict(entry), "label": int(source.label(entry.index))}
    if len(known) > before:
        # With few labels a labelled image is there twice: among these and among all.
        by_key = {entry["key"]: entry for entry in known.values()}
        good, others = _parted(source, by_key)
        record["data"]["good"] = _keys(source, good)
        for index in set(others) - known.keys():
            label = int(source.label(index))
            known[index] = {**by_key[source.key(index)], "index": index, "label": label}
    return [known[index] for index in sorted(known)]


class Mended:
    """The items that a run began with: those listed as bad stay bad, in their old places.

    So every other item keeps its index, and the run goes on as if nothing had been touched.

    Args:
        source: as it is now.
        record: the record of the run.
        place: where each item of the run is in the source, -1 for none.
    """

    def __init__(
        self, source: Source, record: Mapping[str, Any], place: Int64[np.ndarray, " N"]
    ) -> None:
        self.name, self.classes = source.name, source.classes
        self.fingerprint: str = record["data"]["fingerprint"]
        self._source, self._place = source, place
        self._bad = {entry["index"]: entry for entry in record["bad_files"]}

    def __len__(self) -> int:
        """N, as many as the run began with."""
        return len(self._place)

    def item(self, index: int) -> bytes | np.ndarray:
        """The item, if it is not among the bad ones."""
        if index in self._bad:
            raise BadItem(self._bad[index]["reason"])
        return self._source.item(int(self._place[index]))

    def label(self, index: int) -> int:
        """Its label, as it was recorded where the item is gone."""
        place = int(self._place[index])
        return self._source.label(place) if place >= 0 else self._bad[index].get("label", -1)

    def key(self, index: int) -> str:
        """Its key, likewise."""
        place = int(self._place[index])
        return self._source.key(place) if place >= 0 else self._bad[index]["key"]

    @property
    def facts(self) -> tuple[str, ...]:
        """Those of the source."""
        return tuple(getattr(self._source, "facts", ()))

    def fact(self, name: str) -> Fact:
        """One of them; not known of items that are gone."""
        known, gone = fact(self._source, name), self._place < 0
        values = np.where(gone, UNKNOWN, known.values[self._place])
        shares = known.shares
        if shares is not None:
            shares = np.where(gone[:, None], 0, shares[self._place]).astype(shares.dtype)
        return replace(known, values=values.astype(known.values.dtype), shares=shares)


def mended(source: Source, record: Mapping[str, Any]) -> Source | None:
    """The source that a run began with, where only files listed as bad have changed since.

    The fingerprint of a folder, which is of names and sizes, need not show that one was mended.

    Args:
        source: as it is now.
        record: the record of the run.
    """
    data, bad = record["data"], record["bad_files"]
    indices = np.array(sorted({entry["index"] for entry in bad}), np.int64)
    if not bad or indices[-1] >= data["items"] or len(source.classes) != data["classes"]:
        return None
    if source.fingerprint == data["fingerprint"]:
        return Mended(source, record, np.arange(len(source)))
    good, _ = _parted(source, {entry["key"] for entry in bad})
    if len(good) != data["items"] - len(indices) or _keys(source, good) != data.get("good"):
        return None
    place = np.full(data["items"], -1)
    place[np.setdiff1d(np.arange(data["items"]), indices)] = good
    return Mended(source, record, place)


def listed_bad(records: Iterable[Mapping[str, Any]]) -> list[Bad]:
    """The bad items of some records, as they were met."""
    return [
        Bad(index=entry["index"], key=entry["key"], reason=entry["reason"])
        for record in records
        for entry in record["bad_files"]
    ]


def as_begun(source: Source, records: Sequence[Mapping[str, Any]]) -> Source:
    """The source that a run of several stages began with: the same, but for listed bad files.

    Args:
        source: as it is now.
        records: of the whole, then of stages that learn from all of the source.

    Raises:
        UserError: another file has changed.
    """
    known = records[0]["data"].get("fingerprint", source.fingerprint)
    for record in records:
        if "bad_files" in record and record["data"]["fingerprint"] == known:
            source = mended(source, record) or source
    if source.fingerprint != known:
        raise UserError(
            f"resume: {source.name} must hold what it held when the run began, got another "
            "fingerprint; put the old files back or start a new run"
        )
    return source
