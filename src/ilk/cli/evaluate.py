"""``ilk evaluate``: an encoder in, its scores on labelled images out."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from ilk.cli.display import TrainDisplay
from ilk.core.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ilk.embedding import Embeddings
    from ilk.evaluate import Result

PIXELS, VECTORS = "pixels", "vectors"


@dataclass(frozen=True, slots=True)
class _Reading:
    """How images become vectors."""

    batch_size: int
    device: str
    workers: int
    image_size: int | None


def evaluate(
    encoder: str,
    *,
    train: str,
    test: str,
    protocols: str = "knn,linear",
    output: Annotated[Path | None, Parameter(name=["--output", "-o"])] = None,
    seed: int = 0,
    batch_size: int = 256,
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto",
    workers: int | None = None,
    image_size: int | None = None,
) -> None:
    """Measure an encoder on labelled images: accuracy with a 95 % interval.

    Everything is chosen on train; test is looked at once per protocol.

    Parameters
    ----------
    encoder
        A run directory, timm:NAME for any timm model, random:NAME for one without training,
        `pixels` for raw pixels, or `vectors` when --train and --test are what ilk embed wrote.
    train
        Labelled images: a folder with a folder per class, or a parquet file with labels.
    test
        Other images of the same classes.
    protocols
        Names with commas between them, such as knn,linear or knn@1.
    output
        A JSON file for results and all their settings.
    seed
        Of everything drawn.
    batch_size
        Images that go through the encoder at once.
    device
        Where to compute.
    workers
        Threads that read and decode; one per core when not given.
    image_size
        Of an encoder given by name; the size it was made for when not given.
    """
    from ilk.data import default_workers
    from ilk.evaluate import evaluate as measured
    from ilk.evaluate import protocol

    names = [protocol(name.strip()).name for name in protocols.split(",")]
    console = Console()
    reading = _Reading(batch_size, device, workers or default_workers(), image_size)
    parts = [
        _vectors(console, encoder, name, spec, reading)
        for name, spec in (("train", train), ("test", test))
    ]
    with console.status("measuring"):
        results = measured(parts[0], parts[1], names, seed)
    console.print(result_table(f"{encoder} on {test}", {encoder: results}))
    for name, part in zip(("train", "test"), parts, strict=True):
        if part.bad:
            console.print(
                f"{len(part.bad)} unreadable {name} images left out, first {part.bad[0].key}"
            )
    if output is not None:
        _write(output, encoder, train, test, results)
        console.print(f"results in {output}", highlight=False)


def result_table(title: str, rows: "Mapping[str, Sequence[Result]]") -> Table:
    """Results as a table: a row an encoder, a column a protocol."""
    table = Table(title=escape(title), title_justify="left")
    table.add_column("features")
    for result in next(iter(rows.values())):
        table.add_column(f"{result.protocol}\n{result.metric}", justify="right")
    for name, results in rows.items():
        table.add_row(escape(name), *(_told(result) for result in results))
    return table


def _told(result: "Result") -> str:
    low, high = result.interval
    return f"[bold]{100 * result.value:.1f} %[/]  [dim]{100 * low:.1f} to {100 * high:.1f}[/]"


def _vectors(
    console: Console, encoder: str, name: str, spec: str, reading: "_Reading"
) -> "Embeddings":
    from ilk.data import open_source
    from ilk.embedding import embed, read_embeddings
    from ilk.evaluate import pixels
    from ilk.networks import load_encoder

    if encoder == VECTORS:
        return read_embeddings(spec)
    source = open_source(spec)
    with TrainDisplay(console, f"embed {name}") as display:

        def tell(done: int, of: int) -> None:
            display.stepped(done, of, {})

        if encoder == PIXELS:
            return pixels(source, workers=reading.workers, progress=tell)
        return embed(
            load_encoder(encoder, image_size=reading.image_size),
            source,
            batch_size=reading.batch_size,
            device=reading.device,
            workers=reading.workers,
            progress=tell,
        )


def _write(
    path: Path, encoder: str, train: str, test: str, results: "Sequence[Result]"
) -> None:
    record = {
        "encoder": encoder,
        "train": train,
        "test": test,
        "results": [result.to_dict() for result in results],
    }
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(record, indent=2) + "\n")
    except OSError as error:
        raise UserError(f"-o: {path} must be writable, got '{error}'") from error
