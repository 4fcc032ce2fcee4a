"""What a run's record says, sorted for reading."""

from collections.abc import Mapping
from typing import Any

from ilk.viewer.report import Facts

Rows = tuple[tuple[str, str], ...]


def run_facts(record: Mapping[str, Any]) -> tuple[Facts, ...]:
    """Everything in a ``run.json``, in groups."""
    kept = ("settings", "data", "versions", "bad_files", "last")
    rest = {name: entry for name, entry in record.items() if name not in kept}
    bad = record.get("bad_files", [])
    files = tuple((str(entry["key"]), str(entry["reason"])) for entry in bad)
    groups = (
        Facts(title="Settings", rows=_rows(record.get("settings", {}))),
        Facts(title="Data", rows=_rows(record.get("data", {}))),
        Facts(title="Course of the run", rows=_rows(rest)),
        Facts(title="Last measurements", rows=_rows(record.get("last", {}))),
        Facts(title="Versions", rows=_rows(record.get("versions", {}))),
        Facts(title=f"Unreadable files: {len(bad)}", rows=files),
    )
    return tuple(group for group in groups if group.rows)


def _rows(entries: Mapping[str, Any]) -> Rows:
    """Names and values; what lies deeper has a name for each step down."""
    out: list[tuple[str, str]] = []
    for name, entry in entries.items():
        if isinstance(entry, Mapping):
            out += [(f"{name}.{inner}", text) for inner, text in _rows(entry)]
        else:
            out.append((name, _text(entry)))
    return tuple(out)


def _text(entry: Any) -> str:
    if entry is None:
        return "not set"
    if isinstance(entry, float):
        return f"{entry:.6g}"
    if isinstance(entry, list):
        return " ".join(map(str, entry))
    return str(entry)
