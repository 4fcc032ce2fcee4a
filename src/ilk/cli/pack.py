"""``ilk pack``: images in, one file of smaller images out, to be read instead of them."""

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter
from rich.console import Console

from ilk.cli.arguments import check_data
from ilk.cli.terminal import answer, plain, say, terminal
from ilk.core.counts import count, size_words
from ilk.core.errors import UserError
from ilk.progress import TrainDisplay

if TYPE_CHECKING:
    from ilk.data import Packed

_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([kmgt]?)(i?)b?", re.IGNORECASE)
_POWERS = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4}
_SHOWN = 20  # damaged images


def pack(
    data: Annotated[tuple[str, ...], Parameter(negative=())],
    *,
    output: Annotated[Path, Parameter(name=["--output", "-o"])],
    shorter_side: int = 512,
    format: Literal["jpeg", "webp"] = "jpeg",
    quality: int = 90,
    shard_size: str | None = None,
    workers: int | None = None,
) -> None:
    """Make images ready once: smaller, upright and in sRGB, in one file that is quick to read.

    Everything reads the file as it reads the images: the same names, labels and facts. After
    an interruption the same command continues where it stopped.

    Parameters
    ----------
    data
        Pack these images: a folder, several folders, a zip, tar shards, a parquet file or
        single images; file.parquet:train chooses a split.
    output
        Write to this file, which ends in .tar (in the manner of WebDataset) or .parquet.
    shorter_side
        Make images smaller until their shorter side has so many pixels; none is made larger.
    format
        Write images as JPEG, or as WebP without any loss.
    quality
        Write JPEG of this quality, 1 to 100.
    shard_size
        Write files with so many bytes of images at most, such as 1GB: photos.tar becomes
        photos-00000.tar and so on; there is one file when not given.
    workers
        Read and decode in so many threads; there is one per core when not given.
    """
    check_data("pack", data)
    from ilk.data import Packing, open_source
    from ilk.data import pack as packed

    packing = Packing(shorter_side=shorter_side, format=format, quality=quality)
    shard_bytes = None if shard_size is None else size_of(shard_size)
    source = open_source(data[0] if len(data) == 1 else list(data))
    console = terminal()
    with TrainDisplay(console, "pack") as display:
        try:
            done = packed(
                source,
                output,
                packing,
                shard_bytes=shard_bytes,
                workers=workers,
                progress=lambda at, of: display.on_step(at, of, {}),
            )
        except KeyboardInterrupt:
            display.on_message(
                "The images so far are kept; the same command continues from here."
            )
            raise
    _tell(console, done)
    where = plain(output if shard_bytes is None else output.with_stem(f"{output.stem}-*"))
    files = "" if shard_bytes is None else f" ({count(len(done.paths), 'file')})"
    say(
        console,
        f"The images are in {where}{files}: {done.images:,}, {size_words(done.bytes)}",
    )
    answer(
        {
            "files": [str(path) for path in done.paths],
            "images": done.images,
            "bytes": done.bytes,
            "remarks": done.remarks,
            "left_out": {bad.key: bad.reason for bad in done.bad},
        }
    )


def _tell(console: Console, done: "Packed") -> None:
    """What became of images beside their size, and which were left out."""
    from ilk.data.packing import WORDS

    for name, words in WORDS.items():
        if number := done.remarks.get(name, 0):
            say(console, f"{count(number, 'image')} {'was' if number == 1 else 'were'} {words}")
    for name, why in done.lost.items():
        say(console, plain(f"fact {name} is not kept: {why}"))
    if done.bad:
        say(console, f"{count(len(done.bad), 'unreadable image')} left out:")
    for bad in done.bad[:_SHOWN]:
        say(console, plain(f"  {bad.key}: {bad.reason}"))
    if len(done.bad) > _SHOWN:
        say(console, f"  and {len(done.bad) - _SHOWN:,} more, which the file names")


def size_of(text: str) -> int:
    """Bytes from 500MB, 1GiB or 2000000000.

    Raises:
        UserError: it is no size.
    """
    found = _SIZE.fullmatch(text.strip())
    size = 0
    if found:
        size = int(float(found[1]) * (1024 if found[3] else 1000) ** _POWERS[found[2].lower()])
    if size < 1:
        raise UserError(f"--shard-size: must be a size such as 1GB or 500MiB, got {text!r}")
    return size
