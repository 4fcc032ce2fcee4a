"""The report of a run whose encoder was compared with others."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ilk.data import Source
from ilk.embedding import Embeddings
from ilk.evaluate import Result
from ilk.train import LossPreview, ViewPreview, read_record
from ilk.viewer.facts import run_facts
from ilk.viewer.learning import learning_curves
from ilk.viewer.losses import loss_sections
from ilk.viewer.names import fitting_words, measure_name
from ilk.viewer.neighbours import lookups
from ilk.viewer.report import Report, Results, Score, ScoreRow
from ilk.viewer.views import view_rows


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
    views: Sequence[ViewPreview],
    losses: Sequence[LossPreview],
    title: str,
    verdict: str,
) -> Report:
    """Results, learning curves, views, neighbours, positives and facts of a run.

    Args:
        directory: of the finished run.
        rivals: the run's own encoder first; neighbours are shown for it and for the last.
        train: the images it learned from.
        test: the images it was measured on.
        views: of some images, see `ilk.train.preview_views`.
        losses: positives and negatives of some images, see `ilk.train.preview_losses`.
        title: of the page.
        verdict: what was found.
    """
    spaces = {rival.name: (rival.train, rival.test) for rival in (rivals[0], rivals[-1])}
    return Report(
        title=title,
        verdict=verdict,
        results=_results(rivals),
        figures=learning_curves(directory / "metrics.jsonl"),
        looks=view_rows(views),
        lookups=lookups(spaces, train, test),
        losses=loss_sections(losses),
        facts=run_facts(read_record(directory)),
    )


def _results(rivals: Sequence[Rival]) -> Results:
    first = rivals[0].results
    return Results(
        measures=tuple(measure_name(result.protocol) for result in first),
        rows=tuple(
            ScoreRow(
                name=rival.name,
                scores=tuple(_score(result) for result in rival.results),
                ours=rival is rivals[0],
            )
            for rival in rivals
        ),
        chance=1 / first[0].classes,
        note=f"{fitting_words([result.protocol for result in first], first[0].n_train)} "
        f"{first[0].n_test:,} test images were scored. The intervals are of this kind: "
        f"{first[0].interval_kind}.",
    )


def _score(result: Result) -> Score:
    low, high = result.bounds
    return Score(value=result.value, low=low, high=high)
