"""``ilk report``: evaluations in, one page out."""

import contextlib
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter
from rich.console import Console

from ilk.cli.terminal import answer, plain, say, terminal
from ilk.core.errors import UserError
from ilk.progress import TrainDisplay

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ilk.embedding import Embeddings
    from ilk.viewer import Chapter, EvaluatedEncoder, Lookup

KNN = "knn@1"
SAFE = ("pixels", "hog")
RECORD, FILE = "run.json", "evaluation.json"


def report(
    *evaluations: Path,
    output: Annotated[Path, Parameter(name=["--output", "-o"])] = Path("report.html"),
    gallery: bool = True,
    batch_size: int = 256,
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto",
    workers: int | None = None,
) -> None:
    """Make one page, which loads nothing, from the results of ilk evaluate, or of runs alone.

    Tables and plots with intervals, paired differences, how many labels it takes, and the most
    confident mistakes of k-NN where encoder and images are still where they were.

    Parameters
    ----------
    evaluations
        Draw these: runs that were evaluated, or files that ilk evaluate wrote; the page is
        about the first. Of runs that were not evaluated, as where there are no labels, it shows
        how they learned.
    output
        Write the page to this file.
    gallery
        Show mistakes, and what a run answers of images: what it draws, its tasks, places that
        are kin; vectors that are no longer kept are computed again for that.
    batch_size
        Send so many images through the encoder at once.
    device
        Compute on this device.
    workers
        Read and decode in so many threads; there is one per core when not given.
    """
    from ilk.core import check_writable
    from ilk.core.endings import check_page
    from ilk.data import default_workers
    from ilk.viewer import evaluations_report, read_evaluations, training_report, write_report

    if not evaluations:
        raise UserError(
            "report: a run or an evaluation must be given, got none; name one or several"
        )
    check_page(output)
    check_writable(output, "-o")
    console = terminal()
    if all((place / RECORD).is_file() and not (place / FILE).exists() for place in evaluations):
        learned = training_report(evaluations)
        if gallery:
            answered = _answers(evaluations[0], _own_images(evaluations[0]))
            learned = replace(learned, chapters=(*learned.chapters, *answered))
        _tell(console, write_report(output, learned), evaluations)
        return
    found = read_evaluations(evaluations)
    notes = _changed(found)
    for note in notes:
        say(console, f"[yellow]note:[/] {plain(note)}")
    chapters: list[Chapter] = []
    if gallery:
        how = (batch_size, device, workers or default_workers())
        chapters, missing = _mistakes(console, found[0], how)
        notes += missing
        names = found[0].names
        if "encoder" in names:
            chapters += _answers(Path(names["encoder"]), names.get("test"))
    path = write_report(output, evaluations_report(found, chapters, notes))
    _tell(console, path, evaluations)


def _tell(console: Console, path: Path, evaluations: "Sequence[Path]") -> None:
    say(console, f"The report is in {plain(path)}")
    answer({"report": str(path), "evaluations": [str(place) for place in evaluations]})


def _changed(found: "Sequence[EvaluatedEncoder]") -> list[str]:
    """A sentence for each run that has learned on since it was evaluated."""
    from ilk.networks import load_encoder

    notes: list[str] = []
    for evaluated in found:
        if evaluated.run is None:
            continue
        scored = next(iter(evaluated.results.values())).encoder
        with contextlib.suppress(UserError):  # without an encoder there is none to compare
            if load_encoder(str(evaluated.run)).fingerprint != scored:
                notes.append(
                    f"The encoder in {evaluated.run} has changed since it was evaluated, and "
                    f"these scores are those of before; ilk evaluate scores it again."
                )
    return notes


def _mistakes(
    console: Console, evaluated: "EvaluatedEncoder", how: tuple[int, str, int]
) -> "tuple[list[Chapter], list[str]]":
    """A chapter, or why there is none."""
    from ilk.viewer import Chapter

    if KNN not in evaluated.results:
        return [], ["Mistakes are not shown, since there is no result of knn@1."]
    try:
        lookups = _looked_up(console, evaluated, how)
    except UserError as error:
        say(console, f"[yellow]note:[/] no mistakes are shown: {plain(error)}")
        return [], ["Mistakes are not shown: the encoder or its images are missing or changed."]
    lead = (
        "Test images that k-NN classifies wrongly, the most confident first. Neighbours"
        " with the same label are framed and ticked. A wrong label shows here too."
    )
    title = "Confident mistakes"
    return [Chapter(title=title, lead=lead, lookups=lookups)], []


def _own_images(run: Path) -> "str | list[str] | None":
    """What a run learned from, as the person called it."""
    from ilk.train import read_record

    return read_record(run)["data"].get("spec")


def _answers(run: Path, spec: "str | list[str] | None") -> "tuple[Chapter, ...]":
    """What a run answers of some images, where both are still there."""
    from ilk.data import open_source
    from ilk.train import look_answers
    from ilk.viewer import answer_chapters

    if spec is None or not run.is_dir():
        return ()
    try:
        return answer_chapters(look_answers(run, open_source(spec)))
    except UserError:  # a run without checkpoint, or images that are gone
        return ()


def _looked_up(
    console: Console, evaluated: "EvaluatedEncoder", how: tuple[int, str, int]
) -> "tuple[Lookup, ...]":
    from ilk.data import open_source
    from ilk.embedding import cached
    from ilk.evaluate import load_encoder_or_baseline
    from ilk.viewer import mistakes

    result, names = evaluated.results[KNN], evaluated.names
    k = result.selected.get("k")
    if not {"encoder", "train", "test"} <= names.keys() or type(k) is not int or k < 1:
        raise UserError("report: mistakes need the names of encoder, train and test, and k")
    spec = names["encoder"]
    if not (Path(spec).is_dir() or spec in SAFE):  # others may have had another image size
        raise UserError(f"report: mistakes need a run, pixels or hog, got {spec}")
    train, test = open_source(names["train"]), open_source(names["test"])
    encoder = load_encoder_or_baseline(spec)
    wanted = (result.encoder, result.train_data, result.test_data)
    if wanted != (encoder.fingerprint, train.fingerprint, test.fingerprint):
        raise UserError(
            "report: mistakes need the encoder and images of the evaluation, but these changed"
        )
    batch_size, device, workers = how
    parts: list[Embeddings] = []
    for name, source in (("train", train), ("test", test)):
        with TrainDisplay(console, f"embed {name}") as display:
            parts.append(
                cached(
                    encoder, source, batch_size=batch_size, device=device, workers=workers,
                    progress=lambda done, of, to=display: to.on_step(done, of, {}),
                )
            )  # fmt: skip
    known, asked = parts
    return mistakes(known, asked, train, test, k=k)
