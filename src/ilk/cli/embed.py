"""``ilk embed``: images in, a table of vectors out."""

from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

from ilk.cli.rows import check_rows, write_rows
from ilk.cli.terminal import answer
from ilk.core.counts import count, size_words

if TYPE_CHECKING:
    from ilk.progress import TrainDisplay


def embed(
    encoder: str,
    data: Annotated[tuple[str, ...], Parameter(negative=())],
    *,
    output: Annotated[Path | None, Parameter(name=["--output", "-o"])] = None,
    dtype: Literal["float16", "float32"] = "float16",
    field: Literal["feature", "map", "tokens"] = "feature",
    batch_size: int = 256,
    shard_rows: int | None = None,
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto",
    workers: int | None = None,
) -> None:
    """Turn images into vectors, kept as a table: path, size, vector, and label if known.

    After an interruption the same command continues where it stopped. Under torchrun, srun or
    a Slurm array each process writes its own shards of one table.

    Parameters
    ----------
    encoder
        Use this encoder: a run directory, timm:NAME for any timm model, NAME@FILE for one with
        weights of yours, or random:NAME for one without training.
    data
        Embed these images: a folder, several folders, a zip, tar shards, a parquet file or
        single images; file.parquet:train chooses a split.
    output
        Write to this file, which ends in .parquet, .csv or .npz, or to this directory for
        shards of parquet, which is made where images outnumber a shard; it is the name of the
        data with .parquet when not given. Beside a CSV or npz file, FILE.json says what made it
        and what was left out.
    dtype
        Keep the numbers of a vector in this type.
    field
        Keep this of each image: feature for one vector, map for the feature map that is pooled
        into it, tokens for the same as a list of places; .csv takes feature alone.
    batch_size
        Send so many images through the encoder at once.
    shard_rows
        Keep so many images in a shard of parquet; there are 100,000 when not given.
    device
        Compute on this device.
    workers
        Read and decode in so many threads; there is one per core when not given.
    """
    check_rows("embed", data, output, shard_rows)
    from ilk.embedding.checks import check_batch_size

    check_batch_size(batch_size)
    from ilk.data import Source, default_workers
    from ilk.embedding import embed_to_table
    from ilk.networks import field_shape, lasting, load_encoder

    what = {"feature": "vectors", "map": "maps", "tokens": "tokens"}[field]

    def make(source: Source, path: Path, display: "TrainDisplay") -> Path:
        network = load_encoder(encoder, tell=display.on_message)
        if field != "feature":
            each = prod(field_shape(network, field)) * int(dtype.removeprefix("float")) // 8
            size = size_words(each * len(source))
            display.on_message(f"The {what} of {count(len(source), 'image')} take about {size}")
        return embed_to_table(
            network, source, path,
            shard_rows=shard_rows, dtype=dtype, field=field, encoder_spec=lasting(encoder),
            progress=lambda done, of: display.on_step(done, of, {}),
            batch_size=batch_size, device=device, workers=workers or default_workers(),
        )  # fmt: skip

    written = write_rows("embed", data, output, what, make)
    answer({what: str(written), "encoder": encoder, "data": data})
