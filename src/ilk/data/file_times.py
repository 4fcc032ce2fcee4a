"""When the files of a source were changed, for what is made of it in several runs."""

import os
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from ilk.data.account import roots
from ilk.data.source import Source, digest


def file_times(source: Source) -> str:
    """A digest of when the files were last changed that hold the images.

    A fingerprint is the same for a copy, so it does not see a file that changes at the same
    size. Files that the roots of a source do not lead to are not looked at.
    """
    places = roots(source)
    folders = {prefix: root for prefix, root in places.items() if Path(root).is_dir()}
    times = [_time(place) for place in _archives(places.values())]
    for item in range(len(source) if folders else 0):
        key = source.key(item)
        times += [
            _time(os.path.join(root, key[len(prefix) :]))  # noqa: PTH118, a million of them
            for prefix, root in folders.items()
            if key.startswith(prefix)
        ]
    return digest([np.array(times, "<i8")])


def _archives(places: Iterable[str]) -> list[str]:
    """The archives or tables in which or below which some places lie."""
    return [
        str(file)
        for place in places
        for file in (Path(place), *Path(place).parents)
        if file.is_file()
    ]


def _time(place: str) -> int:
    """When a file was last changed, in ns; -1 where it cannot be known."""
    try:
        return os.stat(place).st_mtime_ns  # noqa: PTH116
    except (OSError, ValueError):
        return -1
