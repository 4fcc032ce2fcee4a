"""Names that other systems and programs leave among images, and paths as they are meant."""

import unicodedata
from functools import lru_cache

from ilk.data.source import ENDINGS

HIDDEN = "hidden files"
HIDDEN_FOLDER = "hidden folders, not looked into"
SYSTEM_FOLDER = "folders of thumbnails, deleted or side files, not looked into"
SYSTEM = "thumbnails, deleted or side files of another system"
UNREADABLE = "folders that cannot be read"

# What holds copies, thumbnails, deleted files or resource forks, under the names of images.
SYSTEM_FOLDERS = frozenset(
    [
        b"__MACOSX",  # macOS, in zip archives
        b"@eaDir", b"#recycle", b"#snapshot",  # Synology
        b"@Recycle", b"@Recently-Snapshot", b"@__thumb",  # QNAP
        b"$RECYCLE.BIN", b"$Recycle.Bin", b"RECYCLER", b"System Volume Information",  # Windows
        b"lost+found", b"~snapshot",  # file systems
        b"Network Trash Folder", b"Temporary Items",  # AFP
        b"_vti_cnf",  # FrontPage
    ]
)  # fmt: skip
_TEXTS = frozenset(ending.decode() for ending in ENDINGS)
_LONGEST = 12  # characters of an ending that is worth naming
_PAX = b"PaxHeader"  # what a tar program that does not know pax headers makes of them


def is_system_folder(name: bytes) -> bool:
    """Whether what lies in a folder of this name was not put there by its owner."""
    return name in SYSTEM_FOLDERS or name.startswith(_PAX)


def not_an_image(path: str) -> str:
    """Why a member of an archive is no image, by its path; empty if it is one."""
    folder, _, name = path.rpartition("/")
    reason = _of_folder(folder) or (HIDDEN if name.startswith(".") else "")
    if reason or name[name.rfind(".") :].lower() in _TEXTS:
        return reason
    return of_ending(name.encode(errors="surrogateescape"))


@lru_cache(4096)  # many members have one folder
def _of_folder(path: str) -> str:
    """Why nothing in a folder of an archive is an image; empty if it may be."""
    parts = path.split("/")
    if any(is_system_folder(part.encode(errors="surrogateescape")) for part in parts):
        return SYSTEM
    return HIDDEN if any(part.startswith(".") and part != ".." for part in parts) else ""


def of_ending(name: bytes) -> str:
    """A reason that names the ending of a file that is no image."""
    found = ending(name).decode(errors="replace")
    usual = 1 < len(found) <= _LONGEST and found[1:].isalnum()
    return f"files that end in {found}" if usual else "files without a usual ending"


def ending(name: bytes) -> bytes:
    """From the last dot on, in lower case; empty without a dot."""
    dot = name.rfind(b".")
    return name[dot:].lower() if dot >= 0 else b""


def tidy(path: str) -> str:
    """A path of an archive without parts that say nothing: ``.//a/./b`` is ``a/b``."""
    if "//" not in path and "./" not in path and not path.startswith("/"):
        return path.removesuffix("/").removesuffix("/.")
    return "/".join(part for part in path.split("/") if part not in ("", "."))


def target_of(link: str, target: str) -> str | None:
    """The member that a symbolic link in an archive stands for; None if it leads out of it.

    Args:
        link: the path of the link.
        target: what it holds: a path from the folder of the link on.
    """
    if target.startswith("/"):
        return None
    parts = link.split("/")[:-1]
    for part in target.split("/"):
        if part == "..":
            if not parts:
                return None
            parts.pop()
        elif part not in ("", "."):
            parts.append(part)
    return "/".join(parts)


def same(name: str) -> str:
    """One coding for names that look the same: NFC, as everyone but macOS writes it."""
    return name if name.isascii() else unicodedata.normalize("NFC", name)
