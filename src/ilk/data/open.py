"""From what a person names to a source."""

import glob
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
from PIL import Image

from ilk.core.errors import UserError
from ilk.data.archive import Zip
from ilk.data.arrays import Arrays, all_images, open_array
from ilk.data.datasets import HuggingFace
from ilk.data.facts import WithFacts
from ilk.data.folder import Folder
from ilk.data.joined import Joined
from ilk.data.leavings import same
from ilk.data.loose import Loose, as_array, is_array, is_loose, is_named, is_tensor
from ilk.data.map_style import MapStyle
from ilk.data.packing import open_packs
from ilk.data.parquet import NoRows, Parquet
from ilk.data.shards import Shards
from ilk.data.source import Source, one_line
from ilk.data.subset import Subset

_PARQUET = (".parquet", ".pq")
_COMPRESSED = {
    ".gz": "gunzip",
    ".tgz": "gunzip",
    ".bz2": "bunzip2",
    ".xz": "unxz",
    ".zst": "unzstd",
}
_ARCHIVES = (".7z", ".rar", ".cab", ".iso", ".lz4", ".lzma", ".zipx")
_PAIR = 2
_ENTRIES = "OUT"  # kinds of arrays whose entries are objects or text


def open_source(
    spec: Any,
    *,
    image: str | None = None,
    label: str | None = None,
    facts: Mapping[str, Any] | None = None,
) -> Source:
    """Open whatever holds images.

    Args:
        spec: a path of a folder, a zip, a tar shard, a parquet, an .npy or .npz file, or a
            pattern such as ``shards-*.tar`` or ``part-*.parquet``; a list of any of these; an
            array [N, H, W] or [N, H, W, C], a tensor [N, C, H, W], or a pair (images, labels);
            one image: the path of its file, the file as bytes, a Pillow image, or an array
            [H, W, 3]; a list of images, as above, or arrays [H, W] and tensors [C, H, W], of
            any sizes and kinds, also as a column of NumPy or pandas; a list of pairs (image,
            label); a Hugging Face ``Dataset``; a torchvision data set, also within torch's
            ``Subset``, ``ConcatDataset`` or ``random_split``; or a ``Source``, which comes back
            as it is. A path may end in ``:train``, which chooses a sub-folder of a folder, zip
            or tar, a value of the split column of a parquet file, or the arrays of that name in
            an .npz file. Other columns of a parquet file are chosen as in
            ``:domain=web,labels=species``; a name that is no column but has the name of one for
            its value, as in ``:domain=site``, is the fact read from there.
        image: the column of images in a parquet file or ``Dataset``; found if it is clear.
        label: the column of labels, likewise.
        facts: what else is known of items: for each name one value an item, or the name of a
            column or another fact, as in ``{"domain": "site"}``.

    Raises:
        UserError: it does not exist, holds no image, may mean one image as well as many, such
            as a 2-D array, or is nothing of these. An image file of a list that does not exist
            is a bad item, as long as one of the list does.

    Example:
        >>> from ilk.data import labels
        >>> source = open_source((np.zeros((2, 8, 8, 3), np.uint8), ["cat", "ant"]))
        >>> len(source), source.classes, labels(source).tolist()
        (2, ('ant', 'cat'), [1, 0])
    """
    if facts is not None:
        return WithFacts(open_source(spec, image=image, label=label), facts)
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
    if split and paths[0].is_dir():
        split = _sub_folder(paths[0], split, spec)
    pack = open_packs(paths, spec, split, label)
    if pack is not None:
        return pack
    endings = {path.suffix.lower() for path in paths}
    if endings == {".tar"}:
        return Shards(paths, spec, split)
    if all(map(is_loose, paths)):
        return Loose(paths, name=spec)
    parts = _open_each(paths, spec, split, (image, label))
    return parts[0] if len(parts) == 1 else Joined(parts, spec)


def _open_each(
    paths: list[Path], spec: str, split: str, columns: tuple[str | None, str | None]
) -> list[Source]:
    """All that a pattern fits; a part of a table may lack the rows asked for."""
    parts: list[Source] = []
    empty: NoRows | None = None
    for path in paths:
        name = spec if len(paths) == 1 else str(path)
        try:
            parts.append(_open_one(path, name, split, columns))
        except NoRows as error:
            empty = error
    if not parts and empty:
        raise empty
    return parts


def _open_parquet(
    path: Path, name: str, split: str, columns: tuple[str | None, str | None]
) -> Parquet:
    try:
        return Parquet(path, name, split=split, image=columns[0], label=columns[1])
    except UserError:
        raise
    except Exception as error:  # a damaged file raises whatever Arrow comes upon
        message = (str(error) or type(error).__name__).splitlines()[0]
        raise UserError(f"{name}: must be a whole parquet file: {message}") from error


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
        return _open_parquet(path, name, split, columns)
    if ending in (".npy", ".npz"):
        return open_array(path, name, split)
    if is_loose(path):
        return Loose([path], name=name)
    raise UserError(
        f"{name}: must be a folder, .zip, .tar, .parquet, .npy, .npz or an image, got "
        f"{_kind(path, ending)}"
    )


def _kind(path: Path, ending: str) -> str:
    """What a file is that holds no images as it stands, and what to do about it."""
    if ending in _COMPRESSED:
        return f"a compressed file; undo its compression: {_COMPRESSED[ending]} {path.name}"
    if ending in _ARCHIVES:
        return f"an archive of another kind ({ending}); unpack it into a folder"
    if not path.is_file():
        return "a device or pipe; copy it into a file"
    named = f"a file that ends in {ending}" if ending else "a file without an ending"
    return f"{named}; name images so that they end in .jpg, .png, .tif, .webp or the like"


def _find(spec: str) -> list[Path]:
    """The path itself, or one that looks the same, or what a pattern fits."""
    try:
        path = Path(spec).expanduser()
        if path.exists():
            return [path]
    except (OSError, RuntimeError) as error:  # too long, forbidden, a home that is not known
        raise UserError(f"{spec[:200]}: must be a path, got: {one_line(error)}") from error
    if not spec.isascii() and path.parent.is_dir():
        twins = [
            other for other in path.parent.iterdir() if same(other.name) == same(path.name)
        ]
        if len(twins) == 1:
            return twins
    return [Path(found) for found in sorted(glob.glob(str(path)))]  # noqa: PTH207


def _sub_folder(root: Path, split: str, spec: str) -> str:
    """The sub-folder of a folder that was asked for, as its name is coded."""
    if (root / split).is_dir():
        return split
    inside = sorted(path.name for path in root.iterdir() if path.is_dir())
    for name in inside:
        if same(name) == same(split):
            return name
    raise UserError(
        f"{spec}: sub-folder {split!r} must exist, found {', '.join(inside[:10]) or 'none'}"
    )


def _open_list(specs: Sequence[Any], image: str | None, label: str | None) -> Source:
    if not specs:
        raise UserError("data: must name at least one folder or file, got an empty list")
    if _are_loose(specs):
        return Loose(specs)
    if all(isinstance(s, tuple) and len(s) == _PAIR and is_loose(s[0]) for s in specs):
        return Loose([spec[0] for spec in specs], [spec[1] for spec in specs])
    parts = [open_source(spec, image=image, label=label) for spec in specs]
    return parts[0] if len(parts) == 1 else Joined(parts)


def _are_loose(specs: Sequence[Any]) -> bool:
    """Whether these are images one by one; files among others may have gone since."""
    others = [spec for spec in specs if not is_loose(spec)]
    return len(others) < len(specs) and all(map(is_named, others))


def _listed(spec: Any) -> list[Any] | None:
    """A list, or a column of paths or images as NumPy and pandas have them; else None."""
    if isinstance(spec, list):
        return cast("list[Any]", spec)
    if not is_array(spec) or len(spec.shape) != 1:
        return None
    entries = as_array(spec, "data")
    return list(entries) if entries.dtype.kind in _ENTRIES else None


def _open_object(spec: Any, image: str | None, label: str | None) -> Source:
    if isinstance(spec, bytes | Image.Image):
        return Loose([spec])
    listed = _listed(spec)
    if listed is not None:
        return _open_list(listed, image, label)
    if is_array(spec):
        return Arrays(_images(spec))
    if isinstance(spec, tuple):
        return _open_pair(cast("tuple[Any, ...]", spec))
    if all(callable(getattr(spec, method, None)) for method in ("item", "label", "key")):
        return spec
    return _open_dataset(spec, image, label)


def _open_dataset(spec: Any, image: str | None, label: str | None) -> Source:
    library = sys.modules.get("datasets")
    if library is not None and isinstance(spec, library.DatasetDict):
        raise UserError(
            f"dataset: one split must be chosen, give dataset[{next(iter(spec))!r}]"
        )
    if library is not None and isinstance(spec, library.Dataset):
        return HuggingFace(spec, image, label)
    wrapped = _unwrapped(spec, image, label)
    if wrapped is not None:
        return wrapped
    usable = hasattr(spec, "__getitem__") and hasattr(spec, "__len__")
    if usable and not isinstance(spec, Mapping) and not hasattr(spec, "columns"):
        return MapStyle(spec)
    raise UserError(
        "data: must be a path, a list of paths or images, arrays or a data set with random "
        f"access, got {type(spec).__name__}"
    )


def _unwrapped(spec: Any, image: str | None, label: str | None) -> Source | None:
    """The parts of torch's own wrappers, which know neither labels nor transforms of theirs."""
    torch: Any = sys.modules.get("torch.utils.data")
    if torch is None:
        return None
    kinds = (torch.Subset, torch.ConcatDataset)
    if not any(
        type(spec).__getitem__ is kind.__getitem__ for kind in kinds if isinstance(spec, kind)
    ):
        return None
    if isinstance(spec, torch.ConcatDataset):
        return Joined([open_source(part, image=image, label=label) for part in spec.datasets])
    chosen: np.ndarray = np.asarray(spec.indices, np.int64)
    return Subset(open_source(spec.dataset, image=image, label=label), chosen)


def _open_pair(pair: tuple[Any, ...]) -> Source:
    listed = _listed(pair[0]) if len(pair) == _PAIR else None
    if listed is not None and _are_loose(listed):
        return Loose(listed, pair[1])
    if len(pair) != _PAIR or not is_array(pair[0]):
        raise UserError(
            f"data: a tuple must be (images, labels), two arrays, got {len(pair)} parts"
        )
    return Arrays(_images(pair[0]), pair[1])


def _images(spec: Any) -> np.ndarray:
    return all_images(as_array(spec, "array"), "array", channels_first=is_tensor(spec))
