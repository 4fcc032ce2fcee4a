"""``ilk compare``: methods, mixes and seeds in, one table of what differs out."""

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter
from rich.table import Table

from ilk.cli.arguments import check_data, literals, minutes, options_by_method
from ilk.cli.grid import fitting
from ilk.cli.tables import print_table
from ilk.cli.terminal import answer, plain, say, terminal
from ilk.cli.train import Pairs
from ilk.core.counts import count
from ilk.core.errors import UserError
from ilk.progress import TrainDisplay

if TYPE_CHECKING:
    from ilk.study import Row, Study, Summary
    from ilk.train import Settings

SUMMARY, PAGE = "compare.json", "report.html"


def compare(
    data: Annotated[tuple[str, ...], Parameter(negative=())] = (),
    *,
    methods: str,
    mixes: str = "none",
    kin: str = "none",
    seeds: int = 3,
    train: str,
    test: str,
    protocols: str = "knn,linear",
    baselines: bool = True,
    output: Annotated[Path, Parameter(name=["--output", "-o"])] = Path("runs/compare"),
    backbone: str | None = None,
    backbone_set: Pairs = (),
    labelled: str | None = None,
    labels: str | None = None,
    set: Pairs = (),
    augment: Literal["full", "no-hue", "crops"] = "full",
    epochs: float | None = None,
    steps: int | None = None,
    time: str | None = None,
    image_size: int | None = None,
    batch_size: int | None = None,
    workers: int | None = None,
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto",
) -> None:
    """Train several methods over several seeds on the same images, and compare them.

    The same command with the same -o continues where it stopped; methods and seeds may be
    added. Intervals cover test images and seeds together, and the probabilities of differences
    are corrected for their number.

    Parameters
    ----------
    data
        Learn from these images, as ilk train does.
    methods
        Train these methods, separated by commas; `ilk methods` lists them.
    mixes
        Train each method with each of these mixes, separated by commas; none is the method
        without a mix.
    kin
        Train each method with each of these kin rules, separated by commas; none is the
        method's own.
    seeds
        Repeat everything with so many seeds.
    train
        Fit probes on these labelled images.
    test
        Measure encoders on these labelled images.
    protocols
        Run these protocols, separated by commas, such as knn,linear.
    baselines
        Evaluate the untrained network and raw pixels too.
    output
        Write the runs, compare.json and report.html to this directory.
    backbone
        Train this network with all methods.
    backbone_set
        Set any argument of the backbone, as field=value.
    labelled
        Take the labels that methods learn from from these images, as for ilk train.
    labels
        Read from this table which images of DATA are labelled, as for ilk train.
    set
        Set a field of one method as METHOD.field=value, of all methods as field=value; and
        mix.field, kin.field and optimiser.field as for ilk train.
    augment
        Change images as much as this says, as for ilk train.
    epochs
        Train each run for so many passes over the images.
    steps
        Train each run for so many optimiser steps.
    time
        Train each run for so long, such as 10m.
    image_size
        Make views with sides of so many pixels.
    batch_size
        Take so many images in a step, over all devices.
    workers
        Make views in so many threads; there is one per core when not given.
    device
        Train on this device.
    """  # noqa: D405, D411, D416 - methods is a parameter here, not a section
    check_data("compare", data)
    if seeds < 1:
        raise UserError(f"--seeds: must be 1 or more, got {seeds}")
    from ilk.train import Settings

    named = [part.strip() for part in methods.split(",") if part.strip()]
    own, others = options_by_method(set, named)
    given: dict[str, Any] = {
        "backbone": backbone, "backbone_options": literals(backbone_set) or None,
        "labelled": labelled, "labels": labels, "augment": augment, "epochs": epochs,
        "steps": steps, "minutes": None if time is None else minutes(time),
        "image_size": image_size, "batch_size": batch_size, "workers": workers,
        "device": device, "method_options": own.pop("", None), "mix_options": others["mix"],
        "kin_options": others["kin"], "optimiser_options": others["optimiser"],
    }  # fmt: skip
    shared = Settings(**{name: value for name, value in given.items() if value is not None})
    axes = {"methods": named, "mixes": _names(mixes), "kin": _names(kin)}
    study = _study(
        data, shared, axes, own, train=train, test=test, output=output, seeds=seeds,
        protocols=_names(protocols), baselines=baselines,
    )  # fmt: skip
    _run(study, output)


def _study(
    data: tuple[str, ...],
    shared: "Settings",
    axes: dict[str, list[str]],
    own: dict[str, dict[str, str]],
    *,
    train: str,
    test: str,
    output: Path,
    seeds: int,
    protocols: list[str],
    baselines: bool,
) -> "Study":
    from ilk.data import open_source
    from ilk.evaluate import check_sources, protocol
    from ilk.study import Study, cells
    from ilk.study import baselines as beaten
    from ilk.train import open_images

    grid = fitting(cells(shared, **axes, options=own))
    scored = {"train": open_source(train), "test": open_source(test)}
    learned = open_source(data[0] if len(data) == 1 else list(data))
    check_sources(scored, protocols)  # before hours of training
    for name in protocols:
        if "masks" in protocol(name).needs:
            raise UserError(
                f"protocols: {name} needs masks, and ilk compare takes none; leave it out, and"
                " score every run by ilk evaluate --train-masks MASKS --test-masks MASKS"
            )
    asked = (cell.settings for cell in grid if cell.settings is not None)
    for settings in {(one.method, one.kin): one for one in asked}.values():
        open_images(settings, learned)  # likewise: whether the labels are there
    return Study(
        directory=output,
        cells=(*grid, *(beaten() if baselines else ())),
        seeds=seeds,
        learned=learned,
        names={"train": train, "test": test},
        train=scored["train"],
        test=scored["test"],
        protocols=tuple(protocol(name).name for name in protocols),
    )


def _run(study: "Study", output: Path) -> None:
    import sys

    from ilk.study import summary
    from ilk.train import Interrupted
    from ilk.train.records.record import write_json
    from ilk.viewer import study_report, write_report

    console = terminal()

    @contextmanager
    def watch(title: str) -> Generator[TrainDisplay]:
        with TrainDisplay(console, title) as display:
            yield display

    try:
        busy = study.finish(watch)
    except Interrupted as stop:
        say(console, f"The comparison was stopped by {stop}; the same command continues it.")
        sys.exit(stop.exit_code)
    found = summary(study)
    if busy:
        say(
            console,
            f"Another process works on {plain('; '.join(busy))}. The same command shows the "
            f"whole table when it has finished.",
        )
    if not found.rows:
        say(console, "Nothing to compare: no protocol has scored single images yet.")
        return
    print_table(console, summary_table(found))
    for line in _sentences(found):
        say(console, plain(line))
    title = f"Methods on {study.learned.name}"
    page = write_report(output / PAGE, study_report(study, found, title=title))
    content = _content(study, found)
    write_json(output / SUMMARY, content)
    say(
        console, f"The report is in {plain(page)}, the numbers are in {plain(output / SUMMARY)}"
    )
    answer({"report": str(page), "file": str(output / SUMMARY), **content})


def summary_table(found: "Summary") -> Table:
    """A row for each cell: means over seeds, spread, intervals, minutes, images a second."""
    seeds = max((m.seeds for row in found.rows for m in row.means.values()), default=1)
    table = Table(title=f"mean over {count(seeds, 'seed')}, +/- between seeds, 95 % interval")
    table.title_justify = "left"
    table.add_column("method")
    for protocol in found.protocols:
        table.add_column(protocol, justify="right")
    table.add_column("minutes", justify="right")
    table.add_column("images/s", justify="right")
    for row in found.rows:
        pace = (
            ("", "")
            if row.minutes is None or row.images_per_second is None
            else (f"{row.minutes:.1f}", f"{row.images_per_second:,.0f}")
        )
        table.add_row(plain(row.name), *(_mean(row, p) for p in found.protocols), *pace)
    return table


def _mean(row: "Row", protocol: str) -> str:
    mean = row.means.get(protocol)
    if mean is None:
        return ""
    low, high = (100 * end for end in mean.interval)
    spread = "" if mean.spread is None else f" +/-{100 * mean.spread:.1f}"
    return f"[bold]{100 * mean.mean:.1f} %[/]{spread}\n[dim]{low:.1f} to {high:.1f}[/]"


def _sentences(found: "Summary") -> list[str]:
    """Each mix beside its plain method; else the best row beside every other."""
    chosen = list(found.mixes)
    if not chosen:
        first = found.protocols[0]
        ranked = [row for row in found.rows if first in row.means]
        ranked.sort(key=lambda row: -row.means[first].mean)
        chosen = [(ranked[0].name, row.name) for row in ranked[1:]]
    return [
        one.words
        for ours, theirs in chosen
        for protocol in found.protocols
        if (one := found.between(ours, theirs, protocol)) is not None
    ]


def _content(study: "Study", found: "Summary") -> dict[str, Any]:
    """The numbers of the table, for other programs."""
    from ilk.train.records.record import surroundings

    return {
        **surroundings(),
        "data": {"learned": study.learned.fingerprint, **study.names},
        "seeds": study.seeds,
        "rows": [asdict(row) for row in found.rows],
        "differences": [{**asdict(one), "words": one.words} for one in found.differences],
    }


def _names(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]
