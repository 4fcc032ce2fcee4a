"""One process at a time writes a thing: a lock that ends with the process that holds it."""

import contextlib
import errno
import json
import os
import socket
import sys
import time
import warnings
from collections.abc import Generator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from ilk.core.errors import UserError
from ilk.core.files import make_parent, stem, unwritable

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None

LARGEST = 4096  # bytes that are read of what a holder says of itself
PAUSE = 0.05  # seconds between two tries
PATIENCE = 0.5  # seconds; whoever only looks whether a lock is held holds it for an instant
# What disks say that cannot lock.
NO_LOCKS = {errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL}


@dataclass(frozen=True, slots=True)
class Holder:
    """Who holds a lock.

    Args:
        pid: of the process.
        host: its machine.
        command: as it was started.
        since: the time in UTC.
    """

    pid: int
    host: str
    command: str
    since: str

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host} since {self.since} ({self.command})"


@contextlib.contextmanager
def lock(place: Path, subject: str, *, wait: float = 0.0) -> Generator[None]:
    """Hold a file for this process alone; a directory is held by the file that leads it.

    The system lets go of the lock when the process ends, however it ends. Disks that cannot
    lock are used without, and a warning says so.

    Args:
        place: the file, or a directory that is written as a whole; it need not exist. The lock
            lies beside it.
        subject: what the message of an error begins with.
        wait: seconds to wait for another holder.

    Raises:
        Busy: another process holds it; the message names that one.
        UserError: nothing can be written there.
    """
    file = lock_file(place)
    try:
        make_parent(file)
        descriptor = _taken(file, max(wait, PATIENCE))
    except _Held as held:
        raise Busy(
            f"{subject}: {place} must be used by one process at a time, got {held.holder}; "
            f"wait for that one, stop it, or choose another place"
        ) from None
    except OSError as error:
        raise unwritable(place, error, subject) from error
    try:
        yield
    finally:
        # Removed while it is held, so that no other process removes the file of a later holder.
        with contextlib.suppress(OSError):
            file.unlink()
        if descriptor is not None:
            os.close(descriptor)


def holder(place: Path) -> Holder | None:
    """Who holds the lock of a place now; None when it is free or cannot be known."""
    file = lock_file(place)
    if fcntl is None:
        return None
    try:
        descriptor = os.open(file, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return _written(descriptor)
    except OSError:
        return None
    finally:
        os.close(descriptor)
    return None


def lock_file(place: Path) -> Path:
    """Where the lock of a place lies: the same by whatever way one comes there."""
    real = Path(os.path.realpath(place))
    return real.parent / f".{stem(real)}.lock"


class Busy(UserError):
    """Another process holds the lock."""


class _Held(Exception):
    def __init__(self, found: Holder) -> None:
        super().__init__(str(found))
        self.holder = found


def _taken(file: Path, wait: float) -> int | None:
    """The open file that holds the lock; None where there are no locks."""
    until = time.monotonic() + wait
    while True:
        descriptor = os.open(file, os.O_RDWR | os.O_CREAT | _CLOSED_IN_CHILDREN, 0o666)
        try:
            if not _locked(descriptor):
                os.close(descriptor)
                warnings.warn(f"{file.parent}: this disk cannot lock; see to it that no other"
                              " process writes there", stacklevel=5)  # fmt: skip
                return None
            if _still_there(file, descriptor):
                _sign(descriptor)
                return descriptor
        except BlockingIOError:
            if time.monotonic() > until:
                found = _written(descriptor)
                os.close(descriptor)
                raise _Held(found) from None
            time.sleep(PAUSE)
        except OSError:
            os.close(descriptor)
            raise
        os.close(descriptor)


_CLOSED_IN_CHILDREN = getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NOFOLLOW", 0)


def _locked(descriptor: int) -> bool:
    """Lock it, or raise BlockingIOError; False where that cannot be done at all."""
    if fcntl is None:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise
    except OSError as error:
        if error.errno in NO_LOCKS:
            return False
        raise
    return True


def _still_there(file: Path, descriptor: int) -> bool:
    """Whether the name stands for the locked file: the holder before may have removed it."""
    try:
        return os.path.samestat(file.stat(follow_symlinks=False), os.fstat(descriptor))
    except FileNotFoundError:
        return False


def _sign(descriptor: int) -> None:
    """Write who holds it; a full disk only costs the name."""
    mine = Holder(
        pid=os.getpid(),
        host=socket.gethostname(),
        command=" ".join([Path(sys.argv[0]).name, *sys.argv[1:]])[:1000],
        since=datetime.now(UTC).isoformat(timespec="seconds"),
    )
    with contextlib.suppress(OSError):
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, json.dumps(asdict(mine)).encode(), 0)


def _written(descriptor: int) -> Holder:
    """What the holder wrote of itself."""
    try:
        found = json.loads(os.pread(descriptor, LARGEST, 0))
        return Holder(
            pid=int(found["pid"]),
            host=str(found["host"]),
            command=str(found["command"]),
            since=str(found["since"]),
        )
    except (OSError, ValueError, TypeError, KeyError, RecursionError):
        return Holder(pid=0, host="an unknown host", command="unknown", since="unknown")
