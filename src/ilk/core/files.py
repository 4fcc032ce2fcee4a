"""Files that stand under their name whole or not at all."""

import contextlib
import os
import re
import secrets
import stat
import time
from collections.abc import Generator
from hashlib import blake2b
from pathlib import Path

from ilk.core.errors import UserError

DAY = 24 * 3600.0  # seconds
_BESIDE = re.compile(r"\..+\.[0-9a-f]{16}\.tmp", re.DOTALL)  # as `replacing` names them
LONGEST = 200  # bytes of a name that fit into the names beside it; systems allow 255


@contextlib.contextmanager
def replacing(path: Path, subject: str, advice: str = "") -> Generator[Path]:
    """Give an empty file beside ``path``, which takes its place when the block ends well.

    The file is synced to the disk before it is renamed and the directory after it, so that a
    power cut leaves the old file or the new one. When the block raises, the new file is removed
    and the old one stays. Missing parent directories are made.

    Args:
        path: of the file; what is there must be a plain file.
        subject: what the message of an error begins with, such as ``checkpoint`` or ``-o``.
        advice: what its reader should do, if there is more to say than to make room.

    Raises:
        UserError: the file cannot be written: a full or read-only disk, a forbidden place.
    """
    beside = path.with_name(f".{stem(path)}.{secrets.token_hex(8)}.tmp")
    try:
        _check_plain(path)
        make_parent(path)
        beside.touch(exist_ok=False)
        yield beside
        _sync(beside)
        beside.replace(path)
        sync_directory(path.parent)
    except OSError as error:
        raise unwritable(path, error, subject, advice) from error
    finally:
        with contextlib.suppress(OSError):
            beside.unlink(missing_ok=True)


def write_whole(path: Path, content: str | bytes, subject: str, advice: str = "") -> None:
    """Write a file of text (as UTF-8) or bytes, see `replacing`.

    Raises:
        UserError: it cannot be written; the old one stays.
    """
    data = content.encode() if isinstance(content, str) else content
    with replacing(path, subject, advice) as beside:
        beside.write_bytes(data)


def check_writable(path: Path, subject: str, advice: str = "") -> None:
    """Find out before long work whether a file can be written, and leave nothing behind.

    Directories that are made on the way stay.

    Raises:
        UserError: it cannot be written.
    """
    beside = path.with_name(f".{stem(path)}.{secrets.token_hex(8)}.tmp")
    try:
        _check_plain(path)
        make_parent(path)
        beside.write_bytes(bytes(4096))
    except OSError as error:
        raise unwritable(path, error, subject, advice) from error
    finally:
        with contextlib.suppress(OSError):
            beside.unlink(missing_ok=True)


def sweep(*paths: Path) -> None:
    """Remove what killed processes left beside these files.

    Only call it where nothing else can be writing them: under their lock.
    """
    for path in paths:
        left = re.compile(rf"\.{re.escape(stem(path))}\.[0-9a-f]+\.tmp")
        try:
            names = os.listdir(path.parent)  # noqa: PTH208
        except OSError:
            continue
        for name in filter(left.fullmatch, names):
            with contextlib.suppress(OSError):
                path.with_name(name).unlink()


def partial(path: Path, subject: str) -> Path:
    """The folder beside a file in which its parts lie until it is whole.

    Args:
        path: the file.
        subject: what the message of an error begins with.

    Raises:
        UserError: something else stands there, such as a link, which would lead elsewhere.
    """
    folder = path.with_name(f"{path.name}.partial")
    try:
        mode = folder.lstat().st_mode
    except OSError:  # nothing is there, or whoever makes it finds out why that cannot be
        return folder
    if not stat.S_ISDIR(mode):
        raise UserError(
            f"{subject}: {folder} must be free or a folder for the parts of {path.name}, got a "
            "link or a file; remove it or choose another output"
        )
    return folder


def make_parent(path: Path) -> None:
    """Make the directory of a file, if need be.

    Raises:
        OSError: it cannot be made; it explains the reason where a file is in the way.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError) as error:
        in_the_way = next(p for p in path.parents if p.exists())
        reason = f"{in_the_way} is a file where a directory must be"
        raise NotADirectoryError(error.errno, reason) from error


def sweep_old(folder: Path, older_than: float = DAY) -> None:
    """Remove what killed processes left in a folder that no process locks, such as a cache.

    Args:
        folder: in which only files of ours are written beside their places.
        older_than: seconds; younger ones may be on the way to their place.
    """
    with contextlib.suppress(OSError):
        for path in folder.iterdir():
            if _BESIDE.fullmatch(path.name):
                with contextlib.suppress(OSError):
                    if time.time() - path.stat().st_mtime > older_than:
                        path.unlink()


def stem(path: Path) -> str:
    """The name of a file, or a digest of it where it leaves no room for an ending."""
    raw = os.fsencode(path.name)
    return path.name if len(raw) <= LONGEST else blake2b(raw, digest_size=16).hexdigest()


def unwritable(path: Path, error: OSError, subject: str, advice: str = "") -> UserError:
    """What to say of a file that cannot be written."""
    # Unlike Path.is_file, this does not raise where nothing may be asked.
    there = os.path.isfile(path)  # noqa: PTH113
    kept = "what was there is kept" if there else "nothing was written"
    reason = error.strerror or str(error)
    more = f", {advice}" if advice else ""
    return UserError(f"{subject}: {path} must be writable, got '{reason}'; {kept}{more}")


def _check_plain(path: Path) -> None:
    """A rename would put a file in the place of a device such as /dev/null."""
    if path.is_dir():
        raise IsADirectoryError(None, "a directory stands there")
    if path.exists() and not path.is_file():
        raise OSError(None, "a device or pipe stands there")


def _sync(path: Path) -> None:
    with path.open("rb+") as file:
        os.fsync(file.fileno())


def sync_directory(directory: Path) -> None:
    """Make a rename last through a power cut, on systems and disks that sync directories."""
    with contextlib.suppress(OSError):  # the file is in its place already
        descriptor = os.open(directory, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
