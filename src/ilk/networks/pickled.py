"""Tensors out of files that torch.save wrote: no code is run, and no memory filled."""

import argparse
import pickle
import warnings
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import cast

import torch
from torch import Tensor

from ilk.core import UserError, shown

# Where training programs keep the network that they would use, the surest first.
CONTAINERS = ("state_dict_ema", "model_ema", "ema", "teacher", "state_dict", "model", "student",
              "encoder", "backbone", "network", "net", "module")  # fmt: skip
DEEPEST = 4  # containers in one another
MOST_TIMES = 10  # what an archive may unpack to, in times its size: torch packs nothing


def read_pickled(path: Path) -> tuple[dict[str, Tensor], tuple[str, ...]]:
    """The tensors of a file, and what was chosen of it, in words.

    Args:
        path: a .pth, .pt or .bin file.

    Raises:
        UserError: it holds no tensors, or some that take more room in memory than in it, it is
            damaged, or it would need code to be read.
    """
    try:
        _check_archive(path)
        # Many training programs keep their arguments beside the weights; a Namespace is a
        # bare holder of values.
        allowed = torch.serialization.safe_globals([argparse.Namespace])
        with allowed, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of the age of the format
            found = torch.load(path, map_location="cpu", weights_only=True)
    except UserError:
        raise
    except pickle.UnpicklingError as error:
        raise UserError(
            f"weights: {path} must hold nothing but tensors and plain values, got more, for "
            f"which code would have to run, and none was; load it where you trust it and save "
            f"its state_dict as safetensors"
        ) from error
    except Exception as error:  # of the file system, of archives and of torch
        reason = " ".join(str(error).split())[:120]
        # A lone number or word is a key that a reader of pickles did not know.
        got = f"'{reason}'" if " " in reason else "something else"
        raise UserError(
            f"weights: {path} must be a whole file that torch.save or safetensors wrote, got "
            f"{got}"
        ) from error
    return _unwrapped(found, str(path))


def _check_archive(path: Path) -> None:
    """Refuse an archive that unpacks to far more than it is."""
    if not zipfile.is_zipfile(path):
        return
    with zipfile.ZipFile(path) as archive:
        unpacked = sum(member.file_size for member in archive.infolist())
    if unpacked > MOST_TIMES * path.stat().st_size:
        raise UserError(
            f"weights: {path} must hold its tensors as torch.save writes them, not packed, got "
            f"{path.stat().st_size:,} bytes that unpack to {unpacked:,}; save it once more "
            f"where you trust it"
        )


def _unwrapped(found: object, where: str) -> tuple[dict[str, Tensor], tuple[str, ...]]:
    """The tensors out of the containers that training programs put them in."""
    taken: list[str] = []
    others: list[str] = []
    for depth in reversed(range(DEEPEST)):
        inner = _containers(found, depth)
        if not inner:
            break
        taken.append(inner[0])
        others += [name for name in inner[1:] if name in CONTAINERS]
        found = cast("Mapping[str, object]", found)[inner[0]]
    state = _tensors(found)
    if not state:
        raise UserError(
            f"weights: {where} must hold tensors by name (a state_dict), got "
            f"{type(found).__name__} without any"
        )
    _check_plain(state, where)
    if not others:
        return state, ()
    return state, (f"took {shown('.'.join(taken))} of it, and not {', '.join(others)}",)


def _check_plain(state: Mapping[str, Tensor], where: str) -> None:
    """Refuse tensors whose numbers are not all in the file: it could ask for any memory."""
    for name, tensor in state.items():
        plain = tensor.layout is torch.strided and not tensor.is_meta
        size = tensor.numel() * tensor.element_size()
        if not plain or size > tensor.untyped_storage().nbytes():
            raise UserError(
                f"weights: {where} must hold each number of its tensors, got {shown(name)} of "
                f"shape {tuple(tensor.shape)} without them; save it as a plain tensor, by "
                f"contiguous()"
            )


def _containers(found: object, depth: int) -> list[str]:
    """Names under which more tensors lie, the one to take first."""
    known: dict[tuple[int, int], bool] = {}
    names = [name for name, entry in _entries(found).items() if _holds(entry, depth, known)]
    first = [name for name in CONTAINERS if name in names]
    return first + [name for name in names if name not in first]


def _holds(entry: object, depth: int, known: dict[tuple[int, int], bool]) -> bool:
    """Whether there are tensors by name in it, or so deep in it; each object is visited once.

    Args:
        entry: anything in a file; it may hold itself.
        depth: containers in one another that are looked into.
        known: answers by object and depth.
    """
    key = id(entry), depth
    if key not in known:
        known[key] = bool(_tensors(entry)) or (
            depth > 0
            and any(_holds(inner, depth - 1, known) for inner in _entries(entry).values())
        )
    return known[key]


def _tensors(found: object) -> dict[str, Tensor]:
    return {n: t for n, t in _entries(found).items() if isinstance(t, Tensor)}


def _entries(found: object) -> dict[str, object]:
    if not isinstance(found, Mapping):
        return {}
    entries = cast("Mapping[object, object]", found)
    return {name: entry for name, entry in entries.items() if isinstance(name, str)}
