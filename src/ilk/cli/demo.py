"""``ilk demo``: train, score and report, on pictures drawn on the spot or on a person's own."""

import json
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter
from rich.console import Console

from ilk.cli.display import TrainDisplay
from ilk.cli.evaluate import result_table
from ilk.core.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ilk.data import Source
    from ilk.embedding import Embeddings
    from ilk.evaluate import Result
    from ilk.networks import Encoder

TRAINED, UNTRAINED, PIXELS = "SDMP, trained here", "same network, untrained", "raw pixels"
DRAWN_TRAIN, DRAWN_TEST = 4000, 1000
HELD_OUT = 0.2  # of a person's own images, where no test part is named
# Small enough for two cores and five minutes. Chosen on a part of the training pictures.
SETTINGS: dict[str, Any] = {
    "method": "moco-v3",
    "mix": "sdmp",
    "backbone": "resnet_mini",
    "backbone_options": {"widths": [32, 64, 128]},
    "image_size": 32,
    "batch_size": 64,
    "knn_every": 2,
    "method_options": {
        "hidden": 256,
        "dim": 64,
        "projector_layers": 2,
        "temperature": 0.2,
        "momentum": 0.8,
        "base_lr": 8e-3,
        "weight_decay": 0.01,
        "warmup_epochs": 1,
    },
}


def demo(
    *,
    data: str | None = None,
    output: Annotated[Path, Parameter(name=["--output", "-o"])] = Path("runs/demo"),
    epochs: float = 12,
    seed: int = 0,
) -> None:
    """Train SDMP on MoCo v3, score it beside two baselines, and write a report.

    Leaves with status 1 when the trained network does not beat both baselines beyond the 95 %
    intervals.

    Parameters
    ----------
    data
        A labelled folder or file of one's own, with parts train and test (or val) if it has
        any; pictures are drawn on the spot when not given.
    output
        Directory of the run and the report; what an earlier demo left there is replaced.
    epochs
        How long to train.
    seed
        Of everything random.
    """
    from ilk.train import Interrupted

    console = Console()
    train, test = _parts(data, seed)
    _clear(output)
    console.print(f"{len(train):,} pictures to learn from, {len(test):,} to be tested on")
    try:
        outcome = _outcome(console, train, test, output, epochs, seed)
    except Interrupted as stop:
        console.print(f"stopped by {stop}")
        sys.exit(stop.exit_code)
    console.print(result_table("accuracy, 95 % interval", outcome.results))
    verdict, beaten = _verdict(outcome.results)
    page = _report(outcome, train, test, output, verdict)
    console.print(verdict)
    console.print(f"report: {page}", highlight=False, soft_wrap=True)
    if not beaten:
        sys.exit(1)


@dataclass(frozen=True, slots=True)
class _Outcome:
    """Everything that was measured.

    Args:
        results: by name of the features.
        vectors: of train and test, by name of the features.
    """

    results: "Mapping[str, Sequence[Result]]"
    vectors: "Mapping[str, tuple[Embeddings, Embeddings]]"


def _parts(data: str | None, seed: int) -> "tuple[Source, Source]":
    """What is learned from and what is tested on."""
    import numpy as np

    from ilk.core import seeding
    from ilk.data import Subset, labels, open_source

    if data is None:
        return _drawn(DRAWN_TRAIN, "train", seed), _drawn(DRAWN_TEST, "test", seed)
    for name in ("test", "val"):
        try:
            return open_source(f"{data}:train"), open_source(f"{data}:{name}")
        except UserError:
            continue
    whole = open_source(data)
    known = labels(whole)
    if len(np.unique(known[known >= 0])) < 2:
        raise UserError(
            f"demo: {data} must hold two classes at least, a folder for each; got "
            f"{len(whole.classes)}; without labels use ilk train"
        )
    order = seeding.permutation(seed, 0, len(whole))
    order = order[known[order] >= 0]
    tested = np.concatenate(
        [mine[: max(int(HELD_OUT * len(mine)), 1)] for mine in _by_class(order, known[order])]
    )
    return Subset(whole, np.setdiff1d(order, tested)), Subset(whole, np.sort(tested))


def _drawn(count: int, split: str, seed: int) -> "Source":
    """Pictures drawn once and kept: an epoch must not wait for the pencil."""
    import numpy as np

    from ilk.data import Arrays, labels
    from ilk.data.rendered import Rendered

    source = Rendered(count, seed=seed, split=split)
    images = np.stack([source.item(row) for row in range(count)])
    return Arrays(images, labels(source), name=source.name, classes=source.classes)


def _by_class(items: Any, classes: Any) -> list[Any]:
    return [items[classes == number] for number in sorted(set(classes.tolist()))]


def _clear(output: Path) -> None:
    """Make room for a new demo; a directory that holds anything else is left alone."""
    if not output.exists() or not any(output.iterdir()):
        return
    if not (output / "demo.json").exists():
        raise UserError(f"demo: {output} must be empty or an earlier demo's; choose another -o")
    shutil.rmtree(output)


def _outcome(
    console: Console, train: "Source", test: "Source", output: Path, epochs: float, seed: int
) -> _Outcome:
    from ilk.data import default_workers
    from ilk.embedding import embed
    from ilk.evaluate import evaluate, pixels
    from ilk.networks import load_encoder
    from ilk.train import Settings
    from ilk.train import train as run

    output.mkdir(parents=True, exist_ok=True)
    (output / "demo.json").write_text("{}\n")
    batch = min(SETTINGS["batch_size"], len(train) // 2)
    changed: dict[str, Any] = {"epochs": epochs, "seed": seed, "batch_size": batch}
    settings = Settings(**(SETTINGS | changed))
    with TrainDisplay(console, "train") as display:
        run(settings, train, output, display)
    workers = default_workers()

    def vectors(encoder: "Encoder") -> "tuple[Embeddings, Embeddings]":
        first, second = (embed(encoder, part, workers=workers) for part in (train, test))
        return first, second

    untrained = load_encoder(
        f"random:{SETTINGS['backbone']}",
        image_size=SETTINGS["image_size"],
        options=SETTINGS["backbone_options"],
        seed=seed,
    )
    with console.status("scoring"):
        made = {
            TRAINED: vectors(load_encoder(output)),
            UNTRAINED: vectors(untrained),
            PIXELS: (
                pixels(train, size=16, workers=workers),
                pixels(test, size=16, workers=workers),
            ),
        }
        results = {name: evaluate(*pair, seed=seed) for name, pair in made.items()}
    kept = {name: [result.to_dict() for result in found] for name, found in results.items()}
    (output / "demo.json").write_text(json.dumps(kept, indent=1) + "\n")
    return _Outcome(results, made)


def _verdict(results: "Mapping[str, Sequence[Result]]") -> tuple[str, bool]:
    """One sentence, and whether the trained row beats both others in every column."""
    ours = results[TRAINED]
    lost = [
        f"{mine.protocol} of {name}"
        for name, found in results.items()
        if name != TRAINED
        for mine, theirs in zip(ours, found, strict=True)
        if mine.interval[0] <= theirs.interval[1]
    ]
    if lost:
        return (
            "The trained network does not beat its baselines beyond the 95 % intervals: "
            f"{', '.join(lost)}. More epochs or more pictures may help.",
            False,
        )
    best = max(r.value for name in (UNTRAINED, PIXELS) for r in results[name])
    return (
        f"Without a label the network learned to sort the pictures: k-NN on its features "
        f"is right for {100 * ours[0].value:.1f} % of the test pictures, the best baseline for "
        f"{100 * best:.1f} %.",
        True,
    )


def _report(
    outcome: _Outcome, train: "Source", test: "Source", output: Path, verdict: str
) -> Path:
    from ilk.data import Reader
    from ilk.train import Settings
    from ilk.train.assemble import assemble
    from ilk.viewer import (
        Contender,
        Report,
        Results,
        Score,
        learning_curves,
        looks,
        lookups,
        run_facts,
        write_report,
    )

    record = json.loads((output / "run.json").read_text())
    method, _ = assemble(Settings(**record["settings"]), SETTINGS["image_size"])
    reader = Reader(train)
    images = [reader.read(row)[0] for row in range(min(6, len(train)))]
    rows = tuple(
        Contender(
            name=name,
            scores=tuple(
                Score(value=r.value, low=r.interval[0], high=r.interval[1]) for r in found
            ),
            ours=name == TRAINED,
        )
        for name, found in outcome.results.items()
    )
    ours = outcome.results[TRAINED]
    report = Report(
        title="What SDMP learned from pictures without labels",
        verdict=verdict,
        results=Results(
            measures=tuple(r.protocol for r in ours),
            rows=rows,
            chance=1 / ours[0].classes,
            note=f"{ours[0].n_train:,} training and {ours[0].n_test:,} test pictures; settings "
            f"were chosen on a part of train; {ours[0].interval_kind}.",
        ),
        figures=learning_curves(output / "metrics.jsonl"),
        looks=looks(method, images, seed=record["settings"]["seed"]),
        lookups=lookups(dict(outcome.vectors), train, test),
        facts=run_facts(record),
    )
    return write_report(output / "report.html", report)
