"""What a source knows of its items, to be kept with their images. Axes: N items."""

import re
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Int32

from ilk.core.errors import UserError
from ilk.core.facts import LABEL, Fact
from ilk.core.shown import stored
from ilk.data.account import roots, unlabelled_because
from ilk.data.archive import Zip
from ilk.data.datasets import HuggingFace
from ilk.data.facts import WithFacts, fact, fact_names
from ilk.data.folder import Folder
from ilk.data.names import Names
from ilk.data.packing.source import Pack
from ilk.data.parquet import Parquet
from ilk.data.shards import Shards
from ilk.data.source import Source, labels

_FOLDER = re.compile(r"folder(:\d+)?")  # facts that every key says


@dataclass(frozen=True, slots=True, eq=False)
class Known:
    """Labels and facts of all items.

    Args:
        source: where the items come from.
        classes: names of the labels.
        labels: a position in them, -1 for none.
        facts: by name.
        lost: why others are not kept, by name.
    """

    source: Source
    classes: tuple[str, ...]
    labels: Int32[np.ndarray, " N"]
    facts: dict[str, Fact]
    lost: dict[str, str]

    @classmethod
    def of(cls, source: Source) -> "Known":
        """Ask a source for everything."""
        facts: dict[str, Fact] = {}
        lost: dict[str, str] = {}
        for name in fact_names(source):
            if name == LABEL:
                continue
            try:
                facts[name] = fact(source, name)
            except UserError as error:  # a column of texts or vectors is no fact
                lost[name] = str(error)
        return cls(source, source.classes, labels(source).astype(np.int32), facts, lost)

    def beside(self, item: int) -> dict[str, Any]:
        """Key, label and facts by name of one item, as far as they are known."""
        label = int(self.labels[item])
        values = {
            name: (known.names, int(known.values[item]))
            for name, known in self.facts.items()
            if not _FOLDER.fullmatch(name)
        }
        return {
            "key": stored(self.source.key(item)),
            **({"label": self.classes[label]} if label >= 0 else {}),
            "facts": {name: names[at] for name, (names, at) in values.items() if at >= 0},
        }

    def record(self) -> dict[str, Any]:
        """All but what each item has of its own."""
        layout, prefixes = _layout(self.source)
        return {
            "classes": list(self.classes),
            "unlabelled": unlabelled_because(self.source),
            "facts": [[name, list(known.names), known.reason]
                      for name, known in self.facts.items()],
            "lost": self.lost,
            "layout": layout,
            "prefixes": prefixes,
            "by_folder": _by_folder(self.source),
        }  # fmt: skip

    def arrays(self, items: range) -> dict[str, np.ndarray]:
        """What each of some items has of its own."""
        part = slice(items.start, items.stop)
        keys = Names.pack([coded(self.source.key(item)) for item in items])
        return {
            "keys": keys.blob,
            "key_ends": keys.ends.astype(np.uint64),
            "labels": self.labels[part],
            **{f"fact {at}": known.values[part].astype(np.int32)
               for at, known in enumerate(self.facts.values())},
        }  # fmt: skip


def coded(key: str) -> bytes:
    """A key as bytes; bytes of a name that are no text come out as they were."""
    try:
        return key.encode(errors="surrogateescape")
    except UnicodeEncodeError:  # half of a letter of UTF-16
        return stored(key).encode()


def _layout(source: Source) -> tuple[str, list[str]]:
    """What keys are, and what they begin with beside a path."""
    if isinstance(source, WithFacts):
        return _layout(source.source)
    if isinstance(source, Pack):
        return source.origin.layout, list(source.origin.prefixes)
    if isinstance(source, Folder | Zip | Shards):
        return "paths", sorted(roots(source))
    return ("rows" if isinstance(source, Parquet | HuggingFace) else "list"), []


def _by_folder(source: Source) -> bool:
    """Whether labels are read off folders."""
    if isinstance(source, Pack):
        return source.origin.by_folder
    return isinstance(source, Folder | Zip) or (isinstance(source, Shards) and source.by_folder)
