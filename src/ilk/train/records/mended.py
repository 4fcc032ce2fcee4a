"""A source from which files that a run has listed as bad were taken away, or mended."""

from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

import numpy as np

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
        source: as it is now; all good items of the record are in it, in the same order.
        record: the record of the run.
        good: the items of the source that are not listed as bad, in order.
    """

    def __init__(self, source: Source, record: Mapping[str, Any], good: Sequence[int]) -> None:
        self.name, self.classes = source.name, source.classes
        self.fingerprint: str = record["data"]["fingerprint"]
        self._source = source
        self._bad = {entry["index"]: entry for entry in record["bad_files"]}
        self._place = np.full(record["data"]["items"], -1)
        left = np.ones(len(self._place), np.bool_)
        left[list(self._bad)] = False
        self._place[left] = good

    def __len__(self) -> int:
        """N, as many as the run began with."""
        return len(self._place)

    def item(self, index: int) -> bytes | np.ndarray:
        """The item, if it is not among the bad ones."""
        if index in self._bad:
            raise BadItem(self._bad[index]["reason"])
        return self._source.item(int(self._place[index]))

    def label(self, index: int) -> int:
        """Its label, of a bad one as it was recorded."""
        if index in self._bad:
            return int(self._bad[index].get("label", -1))
        return self._source.label(int(self._place[index]))

    def key(self, index: int) -> str:
        """Its key, of a bad one as it was recorded."""
        if index in self._bad:
            return str(self._bad[index]["key"])
        return self._source.key(int(self._place[index]))

    @property
    def facts(self) -> tuple[str, ...]:
        """Those of the source."""
        return tuple(getattr(self._source, "facts", ()))

    def fact(self, name: str) -> Fact:
        """One of them; not known of bad items."""
        known, gone = fact(self._source, name), self._place < 0
        values = np.where(gone, UNKNOWN, known.values[self._place])
        shares = known.shares
        if shares is not None:
            shares = np.where(gone[:, None], 0, shares[self._place]).astype(shares.dtype)
        return replace(known, values=values.astype(known.values.dtype), shares=shares)


def mended(source: Source, record: Mapping[str, Any]) -> Source | None:
    """The source that a run began with, where only files listed as bad have changed since.

    Args:
        source: as it is now.
        record: the record of the run.
    """
    data, bad = record["data"], record["bad_files"]
    inside = all(entry["index"] < data["items"] for entry in bad)
    known = {entry["key"] for entry in bad}
    if not bad or not inside or len(source.classes) != data["classes"]:
        return None
    good, _ = _parted(source, known)
    if len(good) != data["items"] - len({entry["index"] for entry in bad}):
        return None
    if _keys(source, good) != data.get("good"):
        return None
    return Mended(source, record, good)


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
    if source.fingerprint == known:
        return source
    for record in records:
        if "bad_files" in record and record["data"]["fingerprint"] == known:
            as_it_was = mended(source, record)
            if as_it_was is not None:
                return as_it_was
    raise UserError(
        f"resume: {source.name} must hold what it held when the run began, got another "
        "fingerprint; put the old files back or start a new run"
    )
