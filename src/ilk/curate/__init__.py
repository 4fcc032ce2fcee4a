"""What is in a collection: duplicates, leaks, faults, groups, and which images to choose."""

from ilk.curate.aligned import agreement, agreements
from ilk.curate.appearances import Appearances, Shelf, look_at
from ilk.curate.cells import nearest_in_cells
from ilk.curate.collection import Collection, open_collection
from ilk.curate.decisions import (
    HAND,
    Decision,
    decided,
    keep_decisions,
    read_decisions,
    undo_decisions,
    undo_rule_decisions,
    write_decisions,
)
from ilk.curate.duplicates import Copy, Group, copies_among, duplicate_groups, group_sizes
from ilk.curate.groups import groups
from ilk.curate.hashes import DETAIL, appearance, perceptual_hash
from ilk.curate.held import rows_about, verdicts
from ilk.curate.keep import Choose, copy_decisions, group_decisions, keep_rule
from ilk.curate.subset import curated
from ilk.curate.thresholds import Threshold, agreement_threshold, tail

__all__ = [
    "DETAIL", "HAND", "Appearances", "Choose", "Collection", "Copy", "Decision", "Group",
    "Shelf", "Threshold", "agreement", "agreement_threshold", "agreements", "appearance",
    "copies_among", "copy_decisions", "curated", "decided", "duplicate_groups",
    "group_decisions", "group_sizes", "groups", "keep_decisions", "keep_rule", "look_at",
    "nearest_in_cells", "open_collection", "perceptual_hash", "read_decisions", "rows_about",
    "tail", "undo_decisions", "undo_rule_decisions", "verdicts", "write_decisions",
]  # fmt: skip
