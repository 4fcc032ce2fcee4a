"""Memory that is freed stays with the process, which on processors saves many page faults.

glibc returns large freed blocks to the system and asks for them again at the next step. On
processors the page faults of that can cost more than the arithmetic.
"""

import ctypes
import os
import platform

# The names that glibc reads at the start of a program, and the parameters of its mallopt(3).
TUNABLES = {
    "MALLOC_MMAP_MAX_": (-4, 0),
    "MALLOC_TRIM_THRESHOLD_": (-1, 2**31 - 1),
    "MALLOC_TOP_PAD_": (-2, 2**29),
}


def keep_freed_memory() -> None:
    """Set this for the process, and in the environment for those that it starts.

    Nothing happens without glibc, or where a person has set a ``MALLOC_`` variable already.
    ``run.json`` records these variables.
    """
    if platform.libc_ver()[0] != "glibc" or any(
        name.startswith("MALLOC_") for name in os.environ
    ):
        return
    libc = ctypes.CDLL(None)
    for name, (parameter, setting) in TUNABLES.items():
        if libc.mallopt(parameter, setting):
            os.environ[name] = str(setting)
