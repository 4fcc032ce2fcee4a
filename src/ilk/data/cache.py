"""Listings kept between runs, in the folder that ``ILK_CACHE`` names or ``~/.cache/ilk``.

A listing is a few arrays that can always be made again: whatever cannot be read or written is
as good as missing.
"""

import contextlib
import os
import zipfile
from hashlib import blake2b
from pathlib import Path

import numpy as np

from ilk.core import UserError, replacing, sweep_old

_LAYOUT = 2  # raise it when the arrays of a listing change their meaning


def cache_folder() -> Path:
    """Where listings are kept.

    Raises:
        RuntimeError: ``ILK_CACHE`` says nothing and there is no home; whoever keeps something
            takes it as missing.
    """
    return Path(os.environ.get("ILK_CACHE") or Path.home() / ".cache" / "ilk")


def load(subject: bytes) -> dict[str, np.ndarray] | None:
    """What was kept for a subject, None when there is nothing that can be used."""
    try:
        with _place(subject).open("rb") as file, np.load(file, allow_pickle=False) as kept:
            return {name: kept[name] for name in kept.files}
    except (OSError, ValueError, EOFError, KeyError, RuntimeError, zipfile.BadZipFile):
        return None


def save(subject: bytes, arrays: dict[str, np.ndarray]) -> None:
    """Keep arrays for a subject; written beside and renamed, so that no reader sees a part."""
    with (
        contextlib.suppress(UserError, RuntimeError),
        replacing(_place(subject), "cache") as beside,
        beside.open("wb") as file,
    ):
        np.savez(file, allow_pickle=False, **arrays)
    with contextlib.suppress(RuntimeError):
        sweep_old(cache_folder())


def _place(subject: bytes) -> Path:
    name = blake2b(subject, digest_size=12, salt=str(_LAYOUT).encode()).hexdigest()
    return cache_folder() / f"listing-{name}.npz"
