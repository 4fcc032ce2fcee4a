"""From what a person names to a source."""

import glob
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np

from ilk.core.errors import UserError
from ilk.data.archive import Zip
from ilk.data.arrays import Arrays, open_array
from ilk.data.datasets import HuggingFace, MapStyle
from ilk.data.folder import Folder
from ilk.data.joined import Joined
from ilk.data.parquet import Parquet
from ilk.data.shards import Shards
from ilk.data.source import Source, is_image

_PARQUET = (".parquet", ".pq")
_PAIR = 2


def open_source(spec: Any, *, image: str | None = None, label: str | None = None) -> Source:
    """Open whatever holds images.

    Args:
        spec: a path of a folder, a zip, a tar shard, a parquet, an .npy or .npz file, or a
            pattern such as ``shards-*.tar`` or ``part-*.parquet``; a list of any of these; an
            array, or a pair of arrays (images, labels); a Hugging Face ``Dataset``; a
            torchvision data set; or a ``Source``, which comes back as it is. A path may end in
            ``:train``, which chooses a sub-folder of a folder, zip or tar, a value of the split
            column of a parquet file, or the arrays of that name in an .npz file. Other columns
            of a parquet file are chosen as in ``:domain=web,labels=species``.
        image: the column of images in a parquet file or ``Dataset``; found if it is clear.
        label: the column of labels, likewise.

    Raises:
        UserError: it does not exist, holds no image, or is nothing of these.
    """
    if isinstance(spec, str | Path):
        return _open_path(str(spec), image, label)
    if isinstance(spec, list):
        return _open_list(cast("list[Any]", spec), image, label)
    return _open_object(spec, image, label)


def _open_path(spec: str, image: str | None, label: str | None) -> Source:
    paths, split = _find(spec), ""
    if not paths and ":" in spec:
        place, _, split = spec.rpartition(":")
        paths = _find(place)
    if not paths:
        raise UserError(
            f"{spec}: must be an existing folder or file, found none; check the path"
        )
    if split and paths[0].is_dir() and not (paths[0] / split).is_dir():
        inside = sorted(path.name for path in paths[0].iterdir() if path.is_dir())
        raise UserError(
            f"{spec}: sub-folder {split!r} must exist, found {', '.join(inside[:10]) or 'none'}"
        )
    endings = {path.suffix.lower() for path in paths}
    if endings == {".tar"}:
        return Shards(paths, spec, split)
    parts: list[Source] = [
        _open_one(path, spec if len(paths) == 1 else str(path), split, (image, label))
        for path in paths
    ]
    return parts[0] if len(parts) == 1 else Joined(parts, spec)


def _open_one(
    path: Path, name: str, split: str, columns: tuple[str | None, str | None]
) -> Source:
    ending = path.suffix.lower()
    if path.is_dir():
        return Folder(path / split, name)
    if ending == ".zip":
        return Zip(path, name, split)
    if ending == ".tar":
        return Shards([path], name, split)
    if ending in _PARQUET:
        return Parquet(path, name, split=split, image=columns[0], label=columns[1])
    if ending in (".npy", ".npz"):
        return open_array(path, name, split)
    hint = "give the folder it lies in" if is_image(path.name) else "unpack it into a folder"
    raise UserError(
        f"{name}: must be a folder, .zip, .tar, .parquet, .npy or .npz, got {path.name}; {hint}"
    )


def _find(spec: str) -> list[Path]:
    """The path itself, or what a pattern fits."""
    path = Path(spec).expanduser()
    if path.exists():
        return [path]
    return [Path(found) for found in sorted(glob.glob(str(path)))]  # noqa: PTH207


def _open_list(specs: Sequence[Any], image: str | None, label: str | None) -> Source:
    if not specs:
        raise UserError("data: must name at least one folder or file, got an empty list")
    parts = [open_source(spec, image=image, label=label) for spec in specs]
    return parts[0] if len(parts) == 1 else Joined(parts)


def _open_object(spec: Any, image: str | None, label: str | None) -> Source:
    if _is_array(spec):
        return Arrays(np.asarray(spec))
    if isinstance(spec, tuple):
        return _open_pair(cast("tuple[Any, ...]", spec))
    if all(callable(getattr(spec, method, None)) for method in ("item", "label", "key")):
        return spec
    library = sys.modules.get("datasets")
    if library is not None and isinstance(spec, library.DatasetDict):
        raise UserError(
            f"dataset: one split must be chosen, give dataset[{next(iter(spec))!r}]"
        )
    if library is not None and isinstance(spec, library.Dataset):
        return HuggingFace(spec, image, label)
    if hasattr(spec, "__getitem__") and hasattr(spec, "__len__"):
        return MapStyle(spec)
    raise UserError(
        "data: must be a path, a list of paths, arrays or a data set with random access, "
        f"got {type(spec).__name__}"
    )


def _open_pair(pair: tuple[Any, ...]) -> Source:
    if len(pair) != _PAIR or not _is_array(pair[0]):
        raise UserError(
            f"data: a tuple must be (images, labels), two arrays, got {len(pair)} parts"
        )
    return Arrays(np.asarray(pair[0]), np.asarray(pair[1]))


def _is_array(spec: object) -> bool:
    """NumPy's, or a tensor of another library in main memory."""
    return hasattr(spec, "__array__") and hasattr(spec, "dtype") and hasattr(spec, "shape")
