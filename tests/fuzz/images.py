"""Reads damaged files, and fails at the first that raises, crashes, hangs or takes much memory.

    python -m tests.fuzz.images                      # 20,000 images and 1,000 of each container
    python -m tests.fuzz.images --only tar --cases 5000 --seed 7

A case is known by target, seed and number. It is read in a child process, which may take
``MEMORY`` and has ``SECONDS`` for one case; the bytes of a case that fails are kept.
"""

import argparse
import multiprocessing
import os
import resource
import sys
import tempfile
import time
import traceback
from multiprocessing.sharedctypes import Synchronized
from pathlib import Path
from typing import Any

from tests.fuzz.mutate import case
from tests.fuzz.targets import TARGETS

SECONDS = 20.0  # of one case, on a busy machine
MEMORY = 3 * 2**30  # bytes more than at the start: the 2 GiB of decoding, and what is around
CONTAINERS = 1000  # cases of each target but images


def main() -> None:
    """Fuzz what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--minutes", type=float, default=15.0, help="of all targets together")
    parser.add_argument("--only", choices=[*TARGETS])
    given = parser.parse_args()
    _say(f"seed {given.seed}")
    end = time.monotonic() + 60 * given.minutes
    for name in [given.only] if given.only else [*TARGETS]:
        few = name != "images" and not given.only
        cases = min(given.cases, CONTAINERS) if few else given.cases
        began = time.monotonic()
        done, fault = fuzz(name, given.seed, cases, end)
        _say(f"{name}: {done} of {cases} cases in {time.monotonic() - began:.0f} s")
        if fault:
            sys.exit(f"{name}, seed {given.seed}, case {done}: {fault}")


def fuzz(name: str, seed: int, cases: int, end: float) -> tuple[int, str]:
    """Read the cases of a target; how many went well, and the fault of the next."""
    context: Any = multiprocessing.get_context("spawn")
    number, fault = context.Value("q", -1), context.Queue()
    child = context.Process(target=_read_all, args=(name, seed, cases, number, fault))
    child.start()
    at, since = -1, time.monotonic()
    said = ""
    while child.is_alive() and not said:
        child.join(0.1)
        if number.value != at:
            at, since = number.value, time.monotonic()
        elif at >= 0 and time.monotonic() - since > SECONDS:
            said = f"took longer than {SECONDS:.0f} s"
        if time.monotonic() > end:
            break
    over = child.is_alive()
    child.kill()
    child.join()
    if not said and not over and child.exitcode:
        said = f"ended the process ({child.exitcode})" if fault.empty() else fault.get()
    done = number.value if said or over else cases
    if said:
        data = case([*TARGETS[name].seeds().values()], seed, done)
        kept = Path(tempfile.gettempdir()) / f"ilk-fuzz-{name}-{seed}-{done}"
        kept.write_bytes(data)
        said += f"\nkept as {kept}"
    return done, said


def _read_all(
    name: str, seed: int, cases: int, number: "Synchronized[int]", fault: Any
) -> None:
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # libpng and libtiff print what they meet
    target = TARGETS[name]
    seeds = [*target.seeds().values()]
    for data in seeds:  # all that is loaded on first use counts as there from the start
        target.read(data)
    limit = _pages() + MEMORY
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    before = _peak()
    for at in range(cases):
        number.value = at
        try:
            target.read(case(seeds, seed, at))
            if _peak() - before > MEMORY:
                raise MemoryError(f"{(_peak() - before) / 2**30:.1f} GiB")
        except BaseException:
            fault.put(traceback.format_exc())
            fault.close()
            fault.join_thread()
            sys.exit(1)


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def _pages() -> int:
    """Bytes of address space that this process has."""
    return int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()


def _peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


if __name__ == "__main__":
    main()
