"""A table with a row for each image: what ``ilk embed`` and ``ilk predict`` have in common."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from ilk.cli.arguments import check_data
from ilk.cli.terminal import plain, say, terminal
from ilk.core.counts import count
from ilk.core.endings import table_format
from ilk.core.errors import UserError
from ilk.core.ranks import rank
from ilk.progress import TrainDisplay

if TYPE_CHECKING:
    from ilk.data import Source

Make = Callable[["Source", Path, TrainDisplay], Path]


def check_rows(
    verb: str, data: tuple[str, ...], output: Path | None, shard_rows: int | None
) -> None:
    """Refuse what no table can be made of or written to.

    Args:
        verb: for messages.
        data: paths of images.
        output: file or directory; None names it after the data.
        shard_rows: rows of a shard of parquet, if they are asked for.

    Raises:
        UserError: there is no data, or the output is one file and shards are asked for.
    """
    check_data(verb, data)
    if output and table_format(output, "-o") != "parquet" and shard_rows is not None:
        raise UserError(
            f"--shard-rows: must be left out for {output}, which is one file, got {shard_rows};"
            " give -o FILE.parquet for shards"
        )


def write_rows(
    verb: str, data: tuple[str, ...], output: Path | None, what: str, make: Make
) -> Path:
    """Make the table and say where it is, and what was left out.

    Args:
        verb: for the display.
        data: paths of images.
        output: file or directory; None is the name of the data with what it holds.
        what: the rows are, in the plural.
        make: writes the table of a source to a place, and shows how far it is.

    Returns:
        Where it was written.
    """
    from ilk.data import open_source
    from ilk.embedding import left_behind

    source = open_source(data[0] if len(data) == 1 else list(data))
    place = Path(data[0].partition(":")[0]).resolve()
    path = output or Path(f"{place.stem}-{what}.parquet")
    console = terminal()
    with TrainDisplay(console, verb) as display:
        try:
            written = make(source, path, display)
        except KeyboardInterrupt:
            display.on_message(
                f"The {what} so far are kept; the same command continues from here."
            )
            raise
    if bad := left_behind(written):
        lost = count(len(bad), "unreadable image")
        say(console, plain(f"{lost} left out, first {bad[0].key}: {bad[0].reason}"))
    mine = rank()
    if mine.world > 1:
        part = f"Process {mine.number + 1} of {mine.world} has written its shards"
        say(console, f"{part}; the {what} of all are in {plain(written)}")
    else:
        say(console, f"The {what} are in {plain(written)}")
    return written
