"""From files to the pack that they are."""

from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path

from ilk.core.errors import UserError
from ilk.data.joined import Joined
from ilk.data.packing import index
from ilk.data.packing.check import check_arrays, check_record
from ilk.data.packing.source import Pack, Shard
from ilk.data.packing.table import table_index
from ilk.data.packing.tar import tar_index
from ilk.data.source import BadItem, Source

INDEX: dict[str, Callable[[Path], bytes | None]] = {
    ".tar": tar_index,
    ".parquet": table_index,
    ".pq": table_index,
}

_SHARED = ("classes", "facts", "layout", "prefixes", "by_folder", "left_out")  # by all shards


def open_packs(
    paths: Sequence[Path], name: str, inside: str = "", label: str | None = None
) -> Source | None:
    """The pack, or several, that some files are; None where they are no packs.

    Args:
        paths: the files.
        name: what the person called them.
        inside: the part that is asked for, see ``Pack``.
        label: the fact that is the label, in place of the original's.

    Raises:
        UserError: only some of them are packs, one is damaged, or shards come twice.
    """
    found = [shard_of(path) if path.is_file() else None for path in paths]
    shards = [shard for shard in found if shard is not None]
    if not shards:
        return None
    if len(shards) < len(found):
        other = paths[found.index(None)]
        raise UserError(
            f"{name}: must be files of ilk pack alone or of others alone, {other} is of others;"
            " name them one by one"
        )
    packs: dict[str, list[Shard]] = {}
    for shard in shards:
        packs.setdefault(repr(sorted(shard.record["made"].items())), []).append(shard)
    for pack in packs.values():
        _check_apart(pack, name)
    if len(packs) == 1:
        return Pack(shards, name, inside, label)
    return Joined(
        [Pack(pack, str(pack[0].path), inside, label) for pack in packs.values()], name
    )


def shard_of(path: Path) -> Shard | None:
    """A file of a pack; None where it is something else.

    Raises:
        UserError: it is a file of a pack, but damaged, or of a later version of ilk.
    """
    reader = INDEX.get(path.suffix.lower())
    try:
        data = reader(path) if reader else None
        if data is None:
            return None
        record, arrays = index.read(data)
        check_record(record)
        check_arrays(record, arrays)
    except (BadItem, OSError) as error:
        raise UserError(f"{path}: must be a whole file of ilk pack, got: {error}") from error
    except (ValueError, KeyError, TypeError, IndexError, OverflowError, MemoryError) as error:
        raise UserError(
            f"{path}: must be a whole file of ilk pack, got a damaged index ({error}); pack "
            "the images again"
        ) from error
    return Shard(path, record, arrays)


def _check_apart(shards: list[Shard], name: str) -> None:
    known = [[shard.record[part] for part in _SHARED] for shard in shards]
    for shard, other in zip(shards, known, strict=True):
        if other != known[0]:
            raise UserError(
                f"{name}: shards of a pack must know the same classes and facts, "
                f"{shard.path.name} and {shards[0].path.name} know others; pack again"
            )
    ordered = sorted(shards, key=lambda shard: (shard.first, shard.stop))
    for one, other in pairwise(ordered):
        if one.stop > other.first:
            raise UserError(
                f"{name}: every shard of a pack must come once, {one.path.name} and "
                f"{other.path.name} hold the same images"
            )
