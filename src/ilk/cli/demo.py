"""``ilk demo``: train, score and report, on images drawn on the spot or on a person's own."""

import json
import shutil
import signal
import sys
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter
from rich.console import Console

from ilk.cli.evaluate import result_table
from ilk.cli.tables import print_table
from ilk.cli.terminal import answer, plain, say, terminal
from ilk.core.counts import count
from ilk.core.errors import UserError
from ilk.progress import TrainDisplay

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ilk.data import Source
    from ilk.embedding import Embeddings
    from ilk.train import Settings
    from ilk.viewer import Rival

TRAINED, UNTRAINED, PIXELS = "trained encoder", "same network, untrained", "raw pixels"
DRAWN_TRAIN, DRAWN_TEST = 4000, 2000
HELD_OUT = 0.2  # of a person's own images, where no test part is named
MINUTES = 3.5  # of training
MARK = "demo.json"  # says that a directory may be replaced


def demo(
    *,
    data: str | None = None,
    output: Annotated[Path, Parameter(name=["--output", "-o"])] = Path("runs/demo"),
    epochs: float | None = None,
    seed: int = 0,
) -> None:
    """Train SDMP on MoCo v3, score it beside two baselines, and write a report.

    Exits with status 1 when the trained network does not beat both baselines beyond the 95 %
    intervals.

    Parameters
    ----------
    data
        Use this labelled folder or file, with parts train and test (or val) if it has any;
        synthetic images are drawn when not given.
    output
        Write the run and the report to this directory; what an earlier demo left there is
        replaced.
    epochs
        Train for so many epochs; it takes three and a half minutes when not given.
    seed
        Draw all random numbers from this seed.
    """
    from ilk.evaluate import check_sources
    from ilk.train import Interrupted, preview_losses, preview_views
    from ilk.viewer import comparison, write_report

    console = terminal()
    _check_free(output)
    train, test = _drawn_parts(console, seed) if data is None else _own_parts(data, seed)
    check_sources({"train": train, "test": test}, ("knn", "linear"))
    learned = count(len(train), "image")
    say(console, f"The demo learns from {learned} and tests on {len(test):,}.")
    try:
        _train(console, train, output, _settings(len(train), epochs, seed))
    except Interrupted as stop:
        say(console, f"The demo was stopped by {stop}.")
        sys.exit(stop.exit_code)
    rivals = _rivals(console, output, train, test, seed)
    print_table(
        console, result_table("accuracy, 95 % interval", {r.name: r.results for r in rivals})
    )
    verdict, beaten = _verdict(rivals)
    title = f"SDMP on MoCo v3, {train.name}"
    page = write_report(
        output / "report.html",
        comparison(
            output, rivals, train, test, title=title, verdict=verdict,
            views=preview_views(output, train),
            losses=preview_losses(output, train, queries=3),
        ),
    )  # fmt: skip
    say(console, plain(verdict))
    say(console, f"The report is in {plain(page)}")
    answer(
        {
            "run": str(output),
            "report": str(page),
            "beats the baselines": beaten,
            "verdict": verdict,
            "results": {r.name: [result.to_dict() for result in r.results] for r in rivals},
        }
    )
    if not beaten:
        sys.exit(1)


def _settings(images: int, epochs: float | None, seed: int) -> "Settings":
    """Small enough for two cores; chosen on images of a split that is never tested on."""
    from ilk.train import Settings

    return Settings(
        method="moco-v3",
        method_options={
            "hidden": 256,
            "dim": 64,
            "projector_layers": 2,
            "momentum": 0.9,
            "base_lr": 1.6e-2,
            "weight_decay": 0.01,
            "warmup_epochs": 1,
            "min_scale": 0.2,
            "hue": 0.5,
            "solarize": 0.0,
        },
        mix="sdmp",
        backbone="resnet_mini",
        backbone_options={"widths": (32, 64, 128)},
        image_size=24,
        batch_size=min(128, images // 2),
        epochs=epochs,
        minutes=MINUTES if epochs is None else None,
        seed=seed,
        defaults="paper",  # nothing is left open that matters
    )


def _check_free(output: Path) -> None:
    """Refuse a directory that holds anything but an earlier demo."""
    if output.exists() and any(output.iterdir()) and not (output / MARK).exists():
        raise UserError(f"demo: {output} must be empty or an earlier demo's; choose another -o")


def _drawn_parts(console: Console, seed: int) -> "tuple[Source, Source]":
    """Images drawn once and kept: an epoch must not wait for the pencil."""
    import numpy as np

    from ilk.data import Arrays, default_workers, labels
    from ilk.rendered import Rendered

    sources = [
        Rendered(count, seed=seed, split=split)
        for split, count in (("train", DRAWN_TRAIN), ("test", DRAWN_TEST))
    ]
    # Drawing holds Python's lock, so threads would not share it; Ctrl-C is the parent's affair.
    pool = ProcessPoolExecutor(
        default_workers(), initializer=signal.signal, initargs=(signal.SIGINT, signal.SIG_IGN)
    )
    out: list[Source] = []
    with TrainDisplay(console, "draw") as display, pool:
        done, total = 0, sum(map(len, sources))
        for source in sources:
            images = np.empty((len(source), source.size, source.size, 3), np.uint8)
            drawn = pool.map(source.item, range(len(source)), chunksize=50)
            for row, image in enumerate(drawn):
                images[row] = image
                done += 1
                display.on_step(done, total, {})
            known = labels(source)
            out.append(Arrays(images, known, name=source.name, classes=source.classes))
    return out[0], out[1]


def _own_parts(data: str, seed: int) -> "tuple[Source, Source]":
    """The named parts of a person's images, or a fifth of each class held out for the test."""
    import numpy as np
    import torch

    from ilk.data import Subset, labels, open_source, unlabelled_because
    from ilk.evaluate import held_out

    for name in ("test", "val"):
        try:
            return open_source(f"{data}:train"), open_source(f"{data}:{name}")
        except UserError:
            continue
    whole = open_source(data)
    known = labels(whole)
    labelled = np.flatnonzero(known >= 0)
    if len(np.unique(known[labelled])) < 2:
        raise UserError(
            f"demo: {data} must hold two classes at least, got {len(whole.classes)}: "
            f"{unlabelled_because(whole)}; without labels use ilk train"
        )
    aside = held_out(torch.from_numpy(known[labelled]), HELD_OUT, seed).numpy()
    return Subset(whole, labelled[~aside]), Subset(whole, labelled[aside])


def _train(console: Console, train: "Source", output: Path, settings: "Settings") -> None:
    from ilk.train import train as run

    if output.exists():
        shutil.rmtree(output)
    output.mkdir(parents=True)
    (output / MARK).write_text("{}\n")
    with TrainDisplay(console, "train") as display:
        run(settings, train, output, display)


def _rivals(
    console: Console, output: Path, train: "Source", test: "Source", seed: int
) -> "list[Rival]":
    """The trained encoder first, then what it has to beat."""
    from ilk.data import default_workers
    from ilk.embedding import embed
    from ilk.evaluate import evaluate, pixels
    from ilk.networks import load_encoder
    from ilk.viewer import Rival

    workers = default_workers()
    trained = load_encoder(output)
    size = trained.image_size
    untrained = load_encoder(
        f"random:{trained.name}", image_size=size, options=trained.options, seed=seed
    )
    makers: dict[str, Callable[[Source], Embeddings]] = {
        TRAINED: lambda part: embed(trained, part, workers=workers),
        UNTRAINED: lambda part: embed(untrained, part, workers=workers),
        # Smaller images are the stronger baseline: neighbours need not match to the pixel.
        PIXELS: lambda part: pixels(part, size=size // 2, workers=workers),
    }
    rivals: list[Rival] = []
    with TrainDisplay(console, "score") as display:
        for name, vectors in makers.items():
            known, asked = vectors(train), vectors(test)
            results = evaluate(known, asked, seed=seed)
            rivals.append(Rival(name=name, train=known, test=asked, results=results))
            display.on_step(len(rivals), len(makers), {})
    kept = {rival.name: [result.to_dict() for result in rival.results] for rival in rivals}
    (output / MARK).write_text(json.dumps(kept, indent=1) + "\n")
    return rivals


def _verdict(rivals: "Sequence[Rival]") -> tuple[str, bool]:
    """What was found, and whether the first row beats all others in every column."""
    ours, others = rivals[0].results, rivals[1:]
    lost = [
        f"{mine.protocol} of {other.name}"
        for other in others
        for mine, theirs in zip(ours, other.results, strict=True)
        if mine.bounds[0] <= theirs.bounds[1]
    ]
    if lost:
        return (
            f"The trained encoder does not beat its baselines beyond the 95 % intervals: "
            f"{', '.join(lost)}. More epochs or more images may help.",
            False,
        )
    knn = [f"{100 * rival.results[0].value:.1f} %" for rival in rivals]
    return (
        f"The encoder was trained without labels, and its nearest neighbours classify {knn[0]} "
        f"of {ours[0].n_test:,} test images correctly. The same network untrained reaches "
        f"{knn[1]}, raw pixels reach {knn[2]}; the 95 % intervals do not overlap.",
        True,
    )
