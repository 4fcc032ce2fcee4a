"""``ilk index``: a table of vectors in, a folder that can be searched out."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter
from rich.console import Console

from ilk.cli.terminal import answer, plain, say, terminal
from ilk.core.counts import count
from ilk.core.errors import UserError
from ilk.core.names import did_you_mean
from ilk.progress import TrainDisplay

if TYPE_CHECKING:
    from ilk.search import Index, Plan


def index(
    table: Path | None = None,
    *,
    output: Annotated[Path, Parameter(name=["--output", "-o"])],
    engine: Literal["auto", "exact", "ivf"] | None = None,
    recall: float | None = None,
    codes: Literal["none", "sq8", "pq"] | None = None,
    append: Annotated[bool, Parameter(negative=())] = False,
    delete: Annotated[tuple[str, ...], Parameter(negative=(), consume_multiple=True)] = (),
) -> None:
    """Make a table of vectors searchable: build an index, add to it, or take images out of it.

    After an interruption the same command continues where it stopped. Under torchrun, srun or
    a Slurm array each process builds its own parts of one index. No image is ever touched.

    Parameters
    ----------
    table
        Read the vectors from this table, which ilk embed wrote: a parquet file or a directory
        of shards.
    output
        Write the index to this folder.
    engine
        Compare all vectors (exact), or those of the nearest of many lists, compressed (ivf, by
        FAISS); auto, which it is when not given, is exact up to five million images.
    recall
        Find at least this share of the true ten nearest with engine ivf; it is measured on a
        thousand images of the index, and where it cannot be had the command fails; it is 0.95
        when not given.
    codes
        Keep vectors in the lists of engine ivf in half precision (none), as a byte a number
        (sq8) or as a byte for four numbers (pq); it is sq8 when not given.
    append
        Add what is new in the table to the index that is there.
    delete
        Take the images with these keys out of the index that is there.
    """
    _check(table, output, append, delete)
    wanted = {
        name: value
        for name, value in (("engine", engine), ("recall", recall), ("codes", codes))
        if value is not None
    }
    if append or delete:
        _check_built(wanted)
    console = terminal()
    if table is None:
        from ilk.search import delete_from_index

        made = delete_from_index(output, delete)
    else:
        made = _made(console, table, output, None if append else _plan(table, wanted))
    if made is None:
        say(console, f"The parts of this process are done; others finish {plain(output)}")
        answer({"index": str(output), "finished": False})
        return
    _tell(console, made)


def _check(table: Path | None, output: Path, append: bool, delete: tuple[str, ...]) -> None:
    if (table is None) != bool(delete) or (append and delete):
        raise UserError(
            "index: needs TABLE to build or to --append, or --delete KEYS without one; see ilk "
            "index --help"
        )
    if table is not None and not table.exists():
        parent = table.parent
        beside = sorted(p.name for p in parent.iterdir()) if parent.is_dir() else []
        hint = did_you_mean(table.name, beside, "call ilk embed to make one")
        raise UserError(f"{table}: must be a table of vectors, found none; {hint}")
    if output.is_file():
        raise UserError(f"--output: must be free or a folder, got the file {output}")


def _check_built(wanted: Mapping[str, Any]) -> None:
    """Refuse to say how an index is built that is there already."""
    if wanted:
        name, value = next(iter(wanted.items()))
        raise UserError(
            f"--{name}: must be left out with --append and --delete, which leave an index as it"
            f" was built, got {value}; build another index"
        )


def _plan(table: Path, wanted: Mapping[str, Any]) -> "Plan":
    """How an index is to be built; what only lists have is refused where there are none."""
    from ilk.search import Plan
    from ilk.search.tables import Table

    plan = Plan(**wanted)
    lists = [name for name in ("recall", "codes") if name in wanted]
    if lists and not plan.ivf(len(Table(table))):
        raise UserError(
            f"--{lists[0]}: must come with engine ivf, got {wanted[lists[0]]} for exact search,"
            " which misses nothing; give --engine ivf or leave it out"
        )
    return plan


def _made(console: Console, table: Path, output: Path, plan: "Plan | None") -> "Index | None":
    """The index, built or made longer, while a bar shows how far it is."""
    from ilk.search import append_to_index, build_share

    with TrainDisplay(console, "index") as display:

        def progress(done: int, of: int) -> None:
            display.on_step(done, of, {})

        try:
            if plan is not None:
                return build_share(table, output, plan, progress=progress)
            return append_to_index(output, table, progress=progress)
        except KeyboardInterrupt:
            display.on_message("Finished parts are kept; the same command continues from here.")
            raise


def _tell(console: Console, made: "Index") -> None:
    from ilk.search import in_words

    header = made.header
    gone = header.rows - len(made)
    deleted = f", {count(gone, 'deleted row')}" if gone else ""
    say(console, f"{plain(made.folder)}: {plain(in_words(header))}{deleted}")
    answer(
        {
            "index": str(made.folder), "finished": True, "rows": len(made), "deleted": gone,
            "engine": header.engine, "recall": header.recall, "ivf": header.ivf,
            "dim": header.dim, "encoder": header.encoder_name,
            "bytes": sum(part["bytes"] for part in header.parts),
        }
    )  # fmt: skip
