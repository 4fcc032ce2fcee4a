"""``ilk leaks``: which test images are copies of an image of train."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from ilk.cli.arguments import check_paths
from ilk.cli.copies import check_range, tell_copies
from ilk.cli.terminal import terminal
from ilk.core.endings import check_page


def leaks(
    *,
    train: str,
    test: str,
    decisions: Path | None = None,
    output: Annotated[Path | None, Parameter(name=["--output", "-o"])] = None,
    false_alarms: float = 0.001,
    threshold: float | None = None,
    workers: int | None = None,
) -> None:
    """Find test images that are copies of a train image, which make scores too good.

    Copies are found as by ilk duplicates. No image is deleted.

    Parameters
    ----------
    train
        Look for copies of these images: an index of ilk index, or a folder, zip, tar or
        parquet file.
    test
        Look for copies among these images. Where both are indexes of one encoder, vectors find
        crops and screenshots too.
    decisions
        Write which test images are copies to this list, a parquet file.
    output
        Write a page that shows them beside the train images to this HTML file.
    false_alarms
        Take for copies what agrees more than this share of pairs of other images does.
    threshold
        Take for copies what agrees so much, 0 to 1, in the place of a share of false alarms.
    workers
        Read and compare in so many threads; there is one per core when not given.
    """
    check_range(false_alarms, threshold)
    if output is not None:
        check_page(output)
    check_paths([train, test])
    tell_copies(
        terminal(),
        (train, test),
        ("leak", decisions, output),
        (false_alarms, threshold),
        workers,
    )
