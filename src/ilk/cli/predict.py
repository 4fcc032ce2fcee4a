"""``ilk predict``: images in, a table of classes out."""

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from ilk.cli.rows import check_rows, write_rows
from ilk.cli.terminal import answer


def predict(
    run: str,
    data: Annotated[tuple[str, ...], Parameter(negative=())],
    *,
    output: Annotated[Path | None, Parameter(name=["--output", "-o"])] = None,
    batch_size: int = 256,
    shard_rows: int | None = None,
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto",
    workers: int | None = None,
) -> None:
    """Predict the class of images, kept as a table: path, size, class, probability and margin.

    The margin is the distance of the two largest probabilities. After an interruption the same
    command continues where it stopped.

    Parameters
    ----------
    run
        Use the encoder and the classifier of this run, which must have learned classes.
    data
        Find the class of these images: a folder, several folders, a zip, tar shards, a parquet
        file or single images; file.parquet:train chooses a split.
    output
        Write to this file, which ends in .parquet, .csv or .npz, or to this directory for
        shards of parquet, which is made where images outnumber a shard; it is the name of the
        data with .parquet when not given. Beside a CSV or npz file, FILE.json says what made it
        and what was left out.
    batch_size
        Send so many images through the encoder at once.
    shard_rows
        Keep so many images in a shard of parquet; there are 100,000 when not given.
    device
        Compute on this device.
    workers
        Read and decode in so many threads; there is one per core when not given.
    """
    check_rows("predict", data, output, shard_rows)
    from ilk.embedding.checks import check_batch_size

    check_batch_size(batch_size)
    from ilk.data import default_workers
    from ilk.embedding import predict_to_table
    from ilk.networks import load_classifier, load_encoder

    encoder = load_encoder(run)
    classifier = load_classifier(run, encoder)
    written = write_rows(
        "predict", data, output, "predictions",
        lambda source, path, display: predict_to_table(
            encoder, classifier, source, path, shard_rows=shard_rows,
            progress=lambda done, of: display.on_step(done, of, {}),
            batch_size=batch_size, device=device, workers=workers or default_workers(),
        ),
    )  # fmt: skip
    answer({"predictions": str(written), "run": run, "data": data})
