"""Other processes in tests: whatever happens, none of them is left, nor what they started."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator, Mapping, Sequence
from pathlib import Path
from typing import IO

ROOT = Path(__file__).parents[1]
LONGEST = 300.0  # seconds
GRACE = 10.0


@contextlib.contextmanager
def started(command: Sequence[str | Path], **options) -> Generator[subprocess.Popen[str]]:
    """A process that is ended, with all of its descendants, when the block ends."""
    env = {**os.environ, "OMP_NUM_THREADS": "1", **options.pop("env", {})}
    process = subprocess.Popen(
        [str(word) for word in command],
        cwd=options.pop("cwd", ROOT),
        env=env,
        text=True,
        **options,
    )
    try:
        yield process
    finally:
        for pid in [*_descendants(process.pid), process.pid]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        process.wait()
        for stream in (process.stdin, process.stdout, process.stderr):
            if stream is not None:
                stream.close()


def finished(
    command: Sequence[str | Path], timeout: float = LONGEST, **options
) -> subprocess.CompletedProcess[str]:
    """Run a process to its end."""
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | options
    with started(command, **pipes) as process:
        out, err = process.communicate(timeout=timeout)
        return subprocess.CompletedProcess(command, process.returncode, out, err)


def ranks(
    *arguments: str | Path,
    env: Sequence[Mapping[str, str]] = ({}, {}),
    timeout: float = LONGEST,
) -> list[subprocess.CompletedProcess[str]]:
    """Run ``python -m`` once for each environment, as ranks that a launcher would start.

    Once one of them has failed, the others have a few seconds to end before they are ended.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    shared = {
        "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "TORCHELASTIC_RUN_ID": "test",
        "WORLD_SIZE": str(len(env)), "LOCAL_WORLD_SIZE": str(len(env)), "GROUP_RANK": "0",
    }  # fmt: skip
    with contextlib.ExitStack() as stack:
        running: list[subprocess.Popen[str]] = []
        said: list[tuple[IO[str], IO[str]]] = []
        for rank, own in enumerate(env):
            place = {"RANK": str(rank), "LOCAL_RANK": str(rank)}
            # Files, not pipes: a rank that waits for its pipe to be read holds up the others.
            out, err = (stack.enter_context(tempfile.TemporaryFile("w+")) for _ in range(2))
            command = [sys.executable, "-m", *arguments]
            one = started(command, env={**shared, **place, **own}, stdout=out, stderr=err)
            running.append(stack.enter_context(one))
            said.append((out, err))
        _wait(running, time.monotonic() + timeout)
        return [_outcome(*pair) for pair in zip(running, said, strict=True)]


def _wait(running: Sequence[subprocess.Popen[str]], until: float) -> None:
    while any(process.poll() is None for process in running) and time.monotonic() < until:
        if any(process.returncode for process in running):
            until = min(until, time.monotonic() + GRACE)
        time.sleep(0.05)
    for process in running:
        process.kill()
        process.wait()


def _outcome(
    process: subprocess.Popen[str], said: tuple[IO[str], IO[str]]
) -> subprocess.CompletedProcess[str]:
    for stream in said:
        stream.seek(0)
    out, err = (stream.read() for stream in said)
    return subprocess.CompletedProcess(process.args, process.returncode, out, err)


def _descendants(pid: int) -> list[int]:
    listed = subprocess.run(
        ["ps", "-A", "-o", "pid=,ppid="], capture_output=True, text=True, check=True
    ).stdout
    parents = dict(map(int, line.split()) for line in listed.splitlines())
    found, waiting = [], [pid]
    while waiting:
        parent = waiting.pop()
        below = [child for child, of in parents.items() if of == parent]
        found += below
        waiting += below
    return found
