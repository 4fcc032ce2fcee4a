"""``ilk evaluate``: an encoder in, its scores on labelled images out."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter
from rich.console import Console
from rich.table import Table

from ilk.cli.arguments import check_paths
from ilk.cli.display import tell_words
from ilk.cli.encoders import apart, tell_unfinished
from ilk.cli.sides import VECTORS, Asked, Reading, Side, open_sides
from ilk.cli.tables import print_table
from ilk.cli.terminal import answer, plain, say, terminal
from ilk.cli.verdicts import tell_comparisons, tell_overlap
from ilk.progress import TrainDisplay

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ilk.evaluate import Ledger, Result

FILE = "evaluation.json"


def evaluate(
    encoder: str,
    *,
    test: str,
    train: str | None = None,
    gallery: str | None = None,
    protocols: str = "knn,linear",
    against: tuple[str, ...] = (),
    class_map: Path | None = None,
    train_labels: str | None = None,
    test_labels: str | None = None,
    train_masks: str | None = None,
    test_masks: str | None = None,
    output: Annotated[Path | None, Parameter(name=["--output", "-o"])] = None,
    seed: int = 0,
    batch_size: int = 256,
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto",
    workers: int | None = None,
    image_size: int | None = None,
    cache: bool = True,
) -> None:
    """Measure an encoder on labelled images, with 95 % intervals.

    Everything is chosen on train; test is used once per protocol. A protocol whose result is
    already in the file, for the same encoder and data, is not run again.

    Parameters
    ----------
    encoder
        Measure this encoder: a run directory, timm:NAME for any timm model, NAME@FILE for one
        with weights of yours, random:NAME for one without training, `pixels` for raw pixels,
        `hog` for gradient histograms, or `vectors` when --train and --test are what ilk embed
        wrote.
    test
        Measure on these images: a folder with a folder per class, or a parquet file with
        labels.
    train
        Learn and choose with these images of the same classes, in protocols that do so.
    gallery
        Look in these images for those of test, in retrieval; it is test itself when not given.
    protocols
        Run these protocols, separated by commas, such as knn,linear or knn@1.
    against
        Compare with these encoders on the same images, separated by commas or given by several
        options: as for encoder, `random` for the same network with random weights, or `before`
        for the run's network before training, with the weights that it was given.
    class_map
        Read from this file which classes of train each class of test stands for, where test
        has other names for its classes or only some of them (ImageNet-A, -R, ObjectNet): JSON
        {"test class": ["train class"]}, or CSV rows of test class and train classes. The
        others are left out.
    train_labels
        Read the labels of train from this table, as ilk train does: CSV or parquet with the
        columns path and label. Images without a label are left out.
    test_labels
        Read the labels of test from this table, likewise.
    train_masks
        Read from here what each pixel of train shows: a folder with a mask for each image, of
        the same name but for its ending, or PARQUET:images=COLUMN. Masks of 0 and 255 are
        background and foreground; in others a pixel is the number of its class, and 255 is not
        counted.
    test_masks
        Read from here what each pixel of test shows, likewise.
    output
        Write results and all their settings to this JSON file; it is evaluation.json in the
        run directory when not given.
    seed
        Draw all random numbers from this seed.
    batch_size
        Send so many images through the encoder at once.
    device
        Compute on this device.
    workers
        Read and decode in so many threads; there is one per core when not given.
    image_size
        Give an encoder that is named by its network images of this size; it is the network's
        own when not given.
    cache
        Keep vectors for later use in ~/.cache/ilk, or in the directory that ILK_CACHE names;
        4 GiB at most.
    """
    given = _named(train=train, test=test, gallery=gallery)
    if VECTORS not in {encoder, *against}:  # whose files are refused in words of their own
        check_paths(given.values())
    from ilk.data import default_workers
    from ilk.evaluate import Ledger, protocol, read_class_map

    names = [protocol(name.strip()).name for name in protocols.split(",")]
    classes = None if class_map is None else read_class_map(class_map)
    console = terminal()
    ledger = Ledger(output if output is not None else _beside(encoder))
    ledger.check()
    encoders = tuple(dict.fromkeys((encoder, *apart(against))))
    tell_unfinished(console, encoders)
    reading = Reading(
        batch_size=batch_size, device=device, workers=workers or default_workers(),
        cache=cache, image_size=image_size, seed=seed,
    )  # fmt: skip
    masks = _named(train=train_masks, test=test_masks)
    tables = _named(train=train_labels, test=test_labels)
    sides = open_sides(console, encoders, given, Asked(names, classes, masks, tables), reading)
    rows: dict[str, list[Result]] = {}
    for side in sides:
        ledger.names = {"encoder": side.name, **given}
        asked = names if side.name == encoder else _applying(console, side, names)
        rows[side.name] = _measured(console, side, asked, seed, ledger)
        if side.name == encoder:
            tell_overlap(console, side.parts, side.images, ledger)
    print_table(console, result_table(f"{encoder} on {test}", rows))
    tell_words(console, rows)
    compared = tell_comparisons(console, rows, ledger)
    if ledger.path is not None:
        say(console, f"The results are in {plain(ledger.path)}")
    answer(
        {
            "results": [
                {"name": name, **result.to_dict()}
                for name, found in rows.items()
                for result in found
            ],
            "comparisons": [one.to_dict() for one in compared],
            "file": None if ledger.path is None else str(ledger.path),
        }
    )


def _named(**specs: str | None) -> dict[str, str]:
    """Those that a person gave."""
    return {name: spec for name, spec in specs.items() if spec is not None}


def result_table(title: str, rows: "Mapping[str, Sequence[Result]]") -> Table:
    """Results as a table: a row an encoder, a column a protocol."""
    table = Table(title=plain(title), title_justify="left")
    table.add_column("features")
    columns = {result.protocol: result.metric for result in next(iter(rows.values()))}
    for protocol, metric in columns.items():
        table.add_column(f"{protocol}\n{metric}", justify="right")
    for name, results in rows.items():
        found = {result.protocol: _score(result) for result in results}
        table.add_row(plain(name), *(found.get(protocol, "") for protocol in columns))
    return table


def _score(result: "Result") -> str:
    scale, unit = (100, " %") if result.unit == "%" else (1, "")
    value = f"[bold]{scale * result.value:.1f}{unit}[/]"
    if result.interval is None:
        return value
    low, high = result.interval
    return f"{value}  [dim]{scale * low:.1f} to {scale * high:.1f}[/]"


def _beside(encoder: str) -> Path | None:
    """The file of a run's own results; other encoders have no place of their own."""
    return Path(encoder) / FILE if Path(encoder).is_dir() else None


def _applying(console: Console, side: Side, names: "Sequence[str]") -> "list[str]":
    """The protocols that can be asked of an encoder that ours is compared with."""
    from ilk.evaluate import PROTOCOLS

    fixed = side.images is not None and not side.images.has_weights
    whole = side.images is not None and not side.images.has_places
    unlearned = side.images is not None and side.images.classifier is None
    left: list[str] = []
    for lacks, need, what in (
        (fixed, "weights", "weights to train"),
        (unlearned, "classifier", "classifier of its own"),
        (whole, "places", "places"),
    ):
        without = [name for name in names if lacks and need in PROTOCOLS[name].needs]
        if without:
            say(
                console,
                f"[yellow]note:[/] {plain(side.name)} has no {what}, it is left out of"
                f" {', '.join(without)}",
            )
        left += without
    return [name for name in names if name not in left]


def _measured(
    console: Console, side: Side, names: "Sequence[str]", seed: int, ledger: "Ledger"
) -> "list[Result]":
    from ilk.evaluate import evaluate as measured

    results: list[Result] = []
    for name in names:
        with TrainDisplay(console, f"{side.name}: {name}") as display:
            results += measured(
                side.parts.get("train"),
                side.parts["test"],
                [name],
                seed,
                gallery=side.parts.get("gallery"),
                images=side.images,
                ledger=ledger,
                progress=lambda done, of, to=display: to.on_step(done, of, {}),
            )
    return results
