"""Images that were packed, as the source they came from. Axes: N images, M items."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Int32, Int64

from ilk.core.errors import UserError
from ilk.core.facts import Fact
from ilk.data.account import LeftOut, Tally
from ilk.data.names import Names
from ilk.data.packing.chosen import Chosen, Origin, chosen
from ilk.data.parquet import KEPT, Parquet
from ilk.data.source import digest, read_span

_DAMAGED = "damaged images that ilk pack left out"
_ELSEWHERE = "images in further shards of the pack, which are not given"


@dataclass(frozen=True, slots=True, eq=False)
class Shard:
    """One file of a pack.

    Args:
        path: where the file lies.
        record: all that is not of one item.
        arrays: one entry for each item, also the damaged, of which the size is -1.
    """

    path: Path
    record: dict[str, Any]
    arrays: dict[str, np.ndarray]

    @property
    def first(self) -> int:
        """Its first item."""
        return int(self.record["first"])

    @property
    def stop(self) -> int:
        """The item after its last."""
        return int(self.record["stop"])


class Pack:
    """What ``ilk pack`` wrote; keys, labels, facts and order are those of the original.

    After the path may stand what would choose a part of the original: a sub-folder, as in
    ``photos.tar:train``, or values of facts, as in ``table.tar:split=train,labels=species``.
    The fingerprint covers keys, sizes and labels, and the fingerprint of the original.

    Args:
        shards: files of one pack, each whole.
        name: what the person called them.
        inside: what stands after the path; empty is all.
        label: the fact that is the label, in place of the original's.

    Attributes:
        made: how the pack was made, with the fingerprint of the original.
        origin: what its keys are.
        bad: key and reason of each damaged image, by item of the original.
    """

    def __init__(
        self, shards: Sequence[Shard], name: str, inside: str = "", label: str | None = None
    ) -> None:
        self.name = name
        shards = sorted(shards, key=lambda shard: shard.first)
        record = shards[0].record
        self._parts = tuple(shard.path for shard in shards)
        self.roots = {"": str(self._parts[0].absolute())} if len(shards) == 1 else {}
        self.made: dict[str, Any] = record["made"]
        self.origin = Origin(
            name, record["layout"], tuple(record["prefixes"]), record["by_folder"]
        )
        self.bad = {int(item): (key, why) for shard in shards
                    for item, key, why in shard.record["bad"]}  # fmt: skip
        joined = {part: np.concatenate([shard.arrays[part] for shard in shards])
                  for part in shards[0].arrays if not part.startswith("key")}  # fmt: skip
        found = chosen(_whole(shards, joined, record), inside, label, self.origin)
        good = np.flatnonzero(joined["size"] >= 0)
        kept = np.isin(good, found.items, assume_unique=True)
        at = good[kept]
        self._keys = found.keys.where(joined["size"][found.items] >= 0)
        self._shard, self._row = _places(shards, joined["size"])
        self._shard, self._row = self._shard[kept], self._row[kept]
        self._offset, self._size = joined["offset"][at], joined["size"][at]
        self._sides = np.stack([joined["height"][at], joined["width"][at]], axis=1)
        mine = joined["size"][found.items] >= 0
        self.classes, self.unlabelled_because = found.label.names, found.label.reason
        self._labels = found.label.values[mine]
        self._facts = {name: Fact(known.names, known.values[mine], known.reason)
                       for name, known in found.facts.items()}  # fmt: skip
        self.left_out = _left_out(shards)
        self._inside = f"{inside} {label or ''}"
        self._tables: dict[int, Parquet] = {}
        if not len(self):
            raise UserError(f"{name}: must hold images, found none {inside and f'in {inside}'}")

    def __len__(self) -> int:
        """N, the number of images."""
        return len(self._keys)

    def item(self, index: int) -> bytes:
        """The packed image."""
        shard = int(self._shard[index])
        path = self._parts[shard]
        if path.suffix.lower() == ".tar":
            return read_span(path, int(self._offset[index]), int(self._size[index]))
        return self._table(shard).item(int(self._row[index]))

    def label(self, index: int) -> int:
        """As in the original."""
        return int(self._labels[index])

    def key(self, index: int) -> str:
        """As in the original."""
        return self._keys[index].decode(errors="surrogateescape")

    @property
    def facts(self) -> tuple[str, ...]:
        """Names of what was known of items of the original."""
        return tuple(self._facts)

    def fact(self, name: str) -> Fact:
        """One of them."""
        return self._facts[name]

    def original_size(self, index: int) -> tuple[int, int]:
        """Height and width of the image that was packed, upright."""
        height, width = self._sides[index].tolist()
        return height, width

    @property
    def fingerprint(self) -> str:
        """A digest of keys, sizes and labels, and of how the pack was made."""
        made = repr(sorted(self.made.items())).encode()
        sizes, labels = self._size.astype("<i8"), self._labels.astype("<i4")
        ends = self._keys.ends.astype("<u8")
        return digest([made, self._inside.encode(), self._keys.blob, ends, sizes, labels])

    def __getstate__(self) -> dict[str, Any]:
        """All but the tables that are open."""
        return vars(self) | {"_tables": {}}

    def _table(self, shard: int) -> Parquet:
        if shard not in self._tables:
            kept = KEPT // len(self._parts)
            self._tables[shard] = Parquet(self._parts[shard], image="image", kept=kept)
        return self._tables[shard]


def _whole(shards: Sequence[Shard], joined: dict[str, np.ndarray], record: Any) -> Chosen:
    """All items, the damaged too."""
    keys = Names.joined(
        [shard.arrays["keys"].tobytes() for shard in shards],
        [np.diff(shard.arrays["key_ends"].astype(np.int64), prepend=0) for shard in shards],
    )
    facts = {
        str(name): Fact(tuple(map(str, names)), joined[f"fact {at}"], str(reason))
        for at, (name, names, reason) in enumerate(record["facts"])
    }
    classes = tuple(map(str, record["classes"]))
    label = Fact(classes, joined["labels"].astype(np.int32), str(record["unlabelled"]))
    return Chosen(np.arange(len(keys)), keys, label, facts)


def _places(
    shards: Sequence[Shard], size: Int64[np.ndarray, " M"]
) -> tuple[Int32[np.ndarray, " G"], Int64[np.ndarray, " G"]]:
    """The shard of each good item, and its number among the good ones of the shard."""
    counts = [int((shard.arrays["size"] >= 0).sum()) for shard in shards]
    rows = [np.arange(count) for count in counts]
    return np.repeat(np.arange(len(shards), dtype=np.int32), counts), np.concatenate(rows)


def _left_out(shards: Sequence[Shard]) -> tuple[LeftOut, ...]:
    """What the original left out, what was damaged, and what lies in other shards."""
    tally = Tally()
    record = shards[0].record
    tally.extend(LeftOut(str(why), int(count), str(first))
                 for why, count, first in record["left_out"])  # fmt: skip
    for shard in shards:
        for _, key, why in shard.record["bad"]:
            tally.add(_DAMAGED, f"{key}: {why}")
    items = sum(shard.stop - shard.first for shard in shards)
    missing = int(record["made"]["items"]) - items
    if missing:
        tally.add(_ELSEWHERE, f"{missing} of {record['made']['items']}", missing)
    return tally.result()
