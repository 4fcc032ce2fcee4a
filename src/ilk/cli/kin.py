"""``ilk kin``: positives, negatives and ignored images of a run, as a page."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from ilk.cli.arguments import check_data
from ilk.cli.terminal import answer, plain, say, terminal
from ilk.core.errors import UserError


def kin(
    directory: Path,
    data: Annotated[tuple[str, ...], Parameter(negative=())] = (),
    *,
    output: Annotated[Path | None, Parameter(name=["--output", "-o"])] = None,
    queries: int = 6,
) -> None:
    """Show positives (kin), negatives and ignored images of some queries in a batch.

    Of a run that predicts pixels, its drawings beside the images.

    Parameters
    ----------
    directory
        Look at the run in this directory, finished or not.
    data
        Take the batch from these images: a folder, several folders, a zip, tar shards or a
        parquet file; file.parquet:train chooses a split.
    output
        Write the page to this file; it is kin.html in the directory of the run when not given.
    queries
        Show so many queries for each loss.
    """
    from ilk.core import check_writable
    from ilk.core.endings import check_page
    from ilk.train import images_like, losses_seen, preview_step, reconstructions
    from ilk.train.records.record import read_record, recorded_settings, run_state
    from ilk.viewer import (
        Report,
        loss_sections,
        reconstruction_chapters,
        run_facts,
        write_report,
    )

    check_data("kin", data)
    if queries < 1:
        raise UserError(f"--queries: must be at least 1, got {queries}")
    record = read_record(directory)
    place = output or directory / "kin.html"
    check_page(place)
    check_writable(place, "-o")
    settings = recorded_settings(record)
    source = images_like(record, data[0] if len(data) == 1 else list(data))
    made = (settings.method, settings.kin, settings.mix)
    seen = preview_step(directory, source)
    report = Report(
        title=f"Positives and negatives of {' + '.join(part for part in made if part)}",
        verdict=f"This page shows which images of a batch of {source.name} the losses of the "
        f"run in {directory} treat as positives (kin), as negatives and as ignored. The run is "
        f"{run_state(record, directory)}.",
        chapters=reconstruction_chapters(reconstructions(seen, most=queries)),
        losses=loss_sections(losses_seen(seen, directory, source, queries=queries)),
        facts=run_facts(record),
    )
    page = write_report(place, report)
    say(terminal(), f"The page is in {plain(page)}")
    answer({"page": str(page), "run": str(directory)})
