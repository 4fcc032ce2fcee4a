"""Whether the parts of an index fit together: a stranger may have made it."""

from collections.abc import Mapping
from typing import Any

import numpy as np

LAYOUT = 1  # of a pack; raise it when arrays or record change their meaning
LAYOUTS = ("paths", "rows", "list")
_EACH = ("size", "offset", "height", "width", "labels", "key_ends")  # arrays of one entry each


def check_record(record: Mapping[str, Any]) -> None:
    """Refuse a record that says what cannot be.

    Raises:
        ValueError: it does. Entries that are missing or of another type raise what they will.
    """
    if record["version"] != LAYOUT:
        raise ValueError(f"of version {record['version']}, this ilk reads {LAYOUT}")
    first, stop, items = record["first"], record["stop"], record["made"]["items"]
    if not 0 <= int(first) <= int(stop) <= int(items):
        raise ValueError("items outside of the whole")
    if record["layout"] not in LAYOUTS:
        raise ValueError(f"a layout {record['layout']!r:.40}")
    _check_rows(record["bad"], (int, str, str))
    _check_rows(record["left_out"], (str, int, str))
    _check_rows(record["facts"], (str, list, str))
    _check_rows([[*record["prefixes"]]], (str,) * len(record["prefixes"]))
    "".join(record["prefixes"]).encode(errors="surrogateescape")  # raises if not names of files
    kept = [record[name] for name in ("classes", "by_folder", "unlabelled", "remarks", "lost")]
    _check_rows([kept], (list, bool, str, dict, dict))


def check_arrays(record: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> None:
    """Refuse arrays that do not fit their record.

    Raises:
        ValueError: they do not.
        KeyError: one is missing.
    """
    count = int(record["stop"]) - int(record["first"])
    names = {f"fact {at}": names for at, (_, names, _) in enumerate(record["facts"])}
    for name in (*_EACH, *names):
        if len(arrays[name]) != count:
            raise ValueError(f"{len(arrays[name])} entries of {name}, {count} are wanted")
    if not count:
        return
    ends = arrays["key_ends"].astype(np.int64)
    if (np.diff(ends, prepend=0) < 0).any() or ends[-1] != len(arrays["keys"]):
        raise ValueError("keys that end nowhere")
    for name, known in (names | {"labels": record["classes"]}).items():
        if not -1 <= int(arrays[name].min()) <= int(arrays[name].max()) < len(known):
            raise ValueError(f"{name} without a name")


def _check_rows(rows: Any, kinds: tuple[type, ...]) -> None:
    for row in rows:
        if len(row) != len(kinds) or not all(map(isinstance, row, kinds)):
            raise ValueError(f"a damaged account, {row!r:.80}")
