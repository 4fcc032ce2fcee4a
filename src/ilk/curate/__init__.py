"""What is in a collection: duplicates, leaks, faults, groups, and which images to choose."""

from ilk.curate.decisions import (
    HAND,
    Decision,
    decided,
    keep_decisions,
    read_decisions,
    undo_decisions,
    verdicts,
    write_decisions,
)
from ilk.curate.subset import curated

__all__ = [
    "HAND", "Decision", "curated", "decided", "keep_decisions", "read_decisions",
    "undo_decisions", "verdicts", "write_decisions",
]  # fmt: skip
