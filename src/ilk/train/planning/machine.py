"""How much memory there is, and how much of it is free."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch


@dataclass(frozen=True, slots=True)
class Memory:
    """Of a machine or a device, in bytes.

    Args:
        total: that there is; a limit of the control group counts as all there is.
        free: that this process may still take.
        held: that this process holds at most so far.
    """

    total: int
    free: int
    held: int

    @property
    def reachable(self) -> int:
        """What this process may hold altogether."""
        return self.free + self.held


def memory_of(device: torch.device) -> Memory:
    """Of the device where it has its own, else of the machine."""
    if device.type == "cuda":
        free, total = torch.cuda.mem_get_info(device)
        held = torch.cuda.memory_reserved(device)
        return Memory(total, free, held)
    return host_memory()


def peak_of(device: torch.device) -> int:
    """The most bytes that this process has held."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    return _peak()


def host_memory(root: Path = Path("/")) -> Memory:
    """Of the machine, within the limits of this process's control groups.

    Args:
        root: of the file system in which ``proc`` and ``sys`` lie.
    """
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    free = total // 2  # where the system does not say
    told = _meminfo(root / "proc/meminfo")
    total, free = told.get("MemTotal", total), told.get("MemAvailable", free)
    for limit, used in _groups(root):
        total, free = min(total, limit), min(free, max(limit - used, 0))
    return Memory(total, free, _resident(root))


def _meminfo(path: Path) -> dict[str, int]:
    try:
        lines = [line.split() for line in path.read_text().splitlines()]
    except OSError:
        return {}
    return {words[0].rstrip(":"): int(words[1]) * 1024 for words in lines if len(words) > 1}


def _groups(root: Path) -> Iterator[tuple[int, int]]:
    """Limit and use of every control group that this process is in, of either version."""
    try:
        lines = (root / "proc/self/cgroup").read_text().splitlines()
    except OSError:
        return
    for line in lines:
        _, kinds, inside = line.split(":", 2)
        if kinds == "":
            place, names = "sys/fs/cgroup", ("memory.max", "memory.current")
        elif "memory" in kinds.split(","):
            names = ("memory.limit_in_bytes", "memory.usage_in_bytes")
            place = "sys/fs/cgroup/memory"
        else:
            continue
        top = root / place
        here = top / inside.lstrip("/")
        for group in (here, *here.parents):
            found = [_number(group / name) for name in names]
            if found[0] is not None and found[1] is not None:
                yield found[0], max(found[1] - _cached(group), 0)
            if group == top:
                break


def _number(path: Path) -> int | None:
    try:
        return int(path.read_text())
    except (OSError, ValueError):  # not there, or "max"
        return None


def _cached(group: Path) -> int:
    """Bytes of files that the kernel gives back when memory is wanted."""
    try:
        lines = (group / "memory.stat").read_text().splitlines()
    except OSError:
        return 0
    told = dict(line.split() for line in lines)
    return int(told.get("total_inactive_file", told.get("inactive_file", 0)))


def _resident(root: Path) -> int:
    try:
        pages = int((root / "proc/self/statm").read_text().split()[1])
    except (OSError, IndexError, ValueError):
        return _peak()
    return pages * os.sysconf("SC_PAGE_SIZE")


def _peak() -> int:
    import resource
    import sys

    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
