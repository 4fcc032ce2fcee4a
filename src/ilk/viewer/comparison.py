"""The report of a run whose encoder was compared with others."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ilk.data import Reader, Source
from ilk.embedding import Embeddings
from ilk.evaluate import Result
from ilk.train import read_record
from ilk.train.assemble import assemble
from ilk.train.records.record import recorded_settings
from ilk.viewer.facts import run_facts
from ilk.viewer.inspector import inspected
from ilk.viewer.kinship import lookups
from ilk.viewer.learning import learning_curves
from ilk.viewer.looking import looks
from ilk.viewer.report import Contender, Report, Results, Score

SHOWN = 6  # images whose views are shown
NAMES = {"knn": "k-NN accuracy", "linear": "Linear accuracy"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Rival:
    """Features that took part.

    Args:
        name: of the features.
        train: vectors of the training images.
        test: vectors of the test images.
        results: one a protocol, the same protocols for all.
    """

    name: str
    train: Embeddings
    test: Embeddings
    results: Sequence[Result]


def comparison(
    directory: Path,
    rivals: Sequence[Rival],
    train: Source,
    test: Source,
    *,
    title: str,
    verdict: str,
) -> Report:
    """Results, learning curves, views, neighbours, kin and facts of a run.

    Args:
        directory: of the finished run.
        rivals: the run's own encoder first; neighbours are shown for it and for the last.
        train: the images it learned from.
        test: the images it was measured on.
        title: of the page.
        verdict: what was found.
    """
    record = read_record(directory)
    settings = recorded_settings(record)
    size, classes = settings.image_size or 0, len(train.classes)
    method, _ = assemble(settings, size, len(train), classes, restored=True)
    reader = Reader(train, channels=settings.channels)
    images = [reader.read(row)[0] for row in range(min(SHOWN, len(train)))]
    spaces = {rival.name: (rival.train, rival.test) for rival in (rivals[0], rivals[-1])}
    return Report(
        title=title,
        verdict=verdict,
        results=_results(rivals),
        figures=learning_curves(directory / "metrics.jsonl"),
        looks=looks(method, images, seed=settings.seed),
        lookups=lookups(spaces, train, test),
        kinships=inspected(directory, train, queries=3),
        facts=run_facts(record),
    )


def _results(rivals: Sequence[Rival]) -> Results:
    first = rivals[0].results
    return Results(
        measures=tuple(_measure(result) for result in first),
        rows=tuple(
            Contender(
                name=rival.name,
                scores=tuple(_score(result) for result in rival.results),
                ours=rival is rivals[0],
            )
            for rival in rivals
        ),
        chance=1 / first[0].classes,
        note=f"{first[0].n_train:,} labelled training and {first[0].n_test:,} test images; "
        f"what a protocol had to choose was chosen on a held-out part of train. Intervals: "
        f"{first[0].interval_kind}.",
    )


def _measure(result: Result) -> str:
    return NAMES.get(result.protocol.partition("@")[0], f"{result.protocol} {result.metric}")


def _score(result: Result) -> Score:
    low, high = result.bounds
    return Score(value=result.value, low=low, high=high)
