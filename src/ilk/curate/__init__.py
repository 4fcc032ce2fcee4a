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

__all__ = [
    "HAND", "Decision", "decided", "keep_decisions", "read_decisions", "undo_decisions",
    "verdicts", "write_decisions",
]  # fmt: skip
