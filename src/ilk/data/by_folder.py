"""Classes read off the folders in which images lie. Axes: N files, F folders."""

from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Int32, Int64

from ilk.core.facts import Fact
from ilk.core.unknown import UNKNOWN
from ilk.data.leavings import same
from ilk.data.names import Paths

# Folders that say what images are for and not what they show.
SPLITS = frozenset(
    [
        "train",
        "training",
        "test",
        "testing",
        "val",
        "valid",
        "validation",
        "dev",
        "eval",
        "evaluation",
        "holdout",
    ]
)
_SHOWN = 3


@dataclass(frozen=True, slots=True)
class FolderClasses:
    """Which class each folder of a source is.

    Args:
        classes: their names.
        of_folder: position in ``classes`` of every folder, -1 for none.
        reason: why images have no class; empty if all have one.
    """

    classes: tuple[str, ...]
    of_folder: Int32[np.ndarray, " F"]
    reason: str


@dataclass(slots=True)
class _Folder:
    """A folder of the tree above the images.

    Args:
        own: images in it.
        total: images in it and below.
        below: the folders in it that hold images, by name.
    """

    own: int = 0
    total: int = 0
    below: "dict[bytes, _Folder]" = field(default_factory=dict)


def folder_classes(paths: Paths) -> FolderClasses:
    """Read classes off the folders, as torchvision's ImageFolder does.

    The classes are the folders just below the deepest folder that (nearly) all images share:
    where images lie beside these folders, they have no class, and where they are half of all or
    more, there are no classes. Folders that are all called ``train``, ``test`` and the like are
    no classes; those in them are. Names that look the same but are coded differently (Unicode
    NFC and NFD) are one class. There are no classes if there would be one only.
    """
    folders = [path.split(b"/") if path else [] for path in paths.folders]
    counts = np.bincount(paths.folder, minlength=len(folders))
    tops = [_shared(_tree(folders, counts))]
    if _are_splits(tops[0][1].below):
        way, top = tops[0]
        tops = [([*way, name], child) for name, child in top.below.items()]
    names = sorted({_class_name(name) for _, top in tops for name in top.below})
    found = _placed(folders, [way for way, _ in tops], names)
    lost = int(counts[found < 0].sum())
    if len(names) < 2 or 2 * lost >= counts.sum():
        return FolderClasses((), np.full(len(folders), UNKNOWN, np.int32), _why(names, lost))
    return FolderClasses(tuple(names), found, _strays(paths, found, lost, len(paths)))


def folder_facts(paths: Paths) -> tuple[str, ...]:
    """Names of what folders say of images: ``folder``, ``folder:1`` and so on, see below."""
    deepest = max((path.count(b"/") + 1 for path in paths.folders if path), default=0)
    return ("folder", *(f"folder:{level}" for level in range(1, deepest + 1)))


def folder_fact(paths: Paths, name: str) -> Fact:
    """The folder in which each image lies.

    Args:
        paths: of the images.
        name: ``folder`` for its path, ``folder:1`` for the first part of the path, and so on;
            an image that lies less deep has none.
    """
    level = int(name.partition(":")[2] or 0)
    split = [path.split(b"/") if path else [] for path in paths.folders]
    cut = [parts[level - 1 : level] if level else [b"/".join(parts) or b"."] for parts in split]
    texts = [same(part[0].decode(errors="replace")) if part else "" for part in cut]
    used = np.unique(paths.folder)
    names = sorted({texts[folder] for folder in used.tolist()} - {""})
    place = {text: number for number, text in enumerate(names)}
    table = np.array([place.get(text, UNKNOWN) for text in texts], np.int32)
    values = table[paths.folder]
    lost = int((values < 0).sum())
    return Fact(
        tuple(names), values, f"{lost} of {len(values)} images lie less deep" if lost else ""
    )


def _tree(folders: list[list[bytes]], counts: Int64[np.ndarray, " F"]) -> _Folder:
    root = _Folder()
    for parts, count in zip(folders, counts.tolist(), strict=True):
        if not count:
            continue
        place = root
        place.total += count
        for part in parts:
            place = place.below.setdefault(part, _Folder())
            place.total += count
        place.own += count
    return root


def _shared(top: _Folder) -> tuple[list[bytes], _Folder]:
    """The deepest folder that all images share, but for a few, and its path."""
    parts: list[bytes] = []
    while len(top.below) == 1 and 2 * top.own < top.total:
        ((name, top),) = top.below.items()
        parts.append(name)
    return parts, top


def _are_splits(below: dict[bytes, _Folder]) -> bool:
    """Whether folders are named for what they are for."""
    return bool(below) and all(
        name.decode(errors="replace").lower() in SPLITS for name in below
    )


def _placed(
    folders: list[list[bytes]], tops: list[list[bytes]], names: list[str]
) -> Int32[np.ndarray, " F"]:
    """The class of each folder: that of the part that follows one of the tops."""
    place = {name: number for number, name in enumerate(names)}
    found = np.full(len(folders), UNKNOWN, np.int32)
    for index, parts in enumerate(folders):
        for top in tops:
            if len(parts) > len(top) and parts[: len(top)] == top:
                found[index] = place.get(_class_name(parts[len(top)]), UNKNOWN)
    return found


def _class_name(name: bytes) -> str:
    return same(name.decode(errors="replace"))


def _why(names: list[str], lost: int) -> str:
    if len(names) > 1:
        shown = ", ".join(names[:_SHOWN])
        return (
            f"half of the images or more ({lost}) lie beside the folders {shown}, so these are "
            "not taken for classes; put each image into the folder of its class"
        )
    return "images do not lie in folders by class; sort them into two folders or more"


def _strays(paths: Paths, found: Int32[np.ndarray, " F"], lost: int, count: int) -> str:
    if not lost:
        return ""
    first = int(np.flatnonzero(found[paths.folder] < 0)[0])
    name = paths[first].decode(errors="replace")
    return (
        f"{lost} of {count} images lie beside the folders of the classes, such as {name}; put "
        "each image into the folder of its class"
    )
