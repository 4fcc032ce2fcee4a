"""How many threads read and decode."""

import os

MOST = 16  # more of them wait for the disk, and for one another


def default_workers() -> int:
    """One per core that this process may use, sixteen at most."""
    if hasattr(os, "sched_getaffinity"):
        return min(len(os.sched_getaffinity(0)), MOST)
    return min(os.cpu_count() or 1, MOST)
