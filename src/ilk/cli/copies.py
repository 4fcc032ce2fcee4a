"""What ``ilk duplicates`` and ``ilk leaks`` have in common."""

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from ilk.cli.terminal import answer, plain, say
from ilk.core.counts import count
from ilk.core.errors import UserError
from ilk.core.shown import stored
from ilk.progress import TrainDisplay

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ilk.curate import Collection, Copy, Threshold

SHOWN = 10  # groups, copies or bad images that the terminal names
_NAMED = 150  # last letters of a collection's name that a rule has


def check_range(false_alarms: float, threshold: float | None) -> None:
    """Refuse numbers that make no sense before any image is read."""
    if not 0 < false_alarms < 0.1:
        raise UserError(f"--false-alarms: must be above 0 and below 0.1, got {false_alarms:g}")
    if threshold is not None and not 0 < threshold <= 1:
        raise UserError(f"--threshold: must be above 0 and at most 1, got {threshold:g}")


def threads(workers: int | None) -> int:
    """As many as were asked for, or one per core."""
    from ilk.data import default_workers

    return default_workers() if workers is None else workers


def opened(display: TrainDisplay, spec: str, workers: int | None) -> "Collection":
    """Images, looked at."""
    from ilk.curate import open_collection

    return open_collection(
        spec, workers=threads(workers), progress=lambda at, of: display.on_step(at, of, {})
    )


def limit_of(
    found: "Collection", false_alarms: float, threshold: float | None, workers: int | None
) -> "Threshold":
    """What agreement copies must have, and how it was measured."""
    from dataclasses import replace

    from ilk.curate import agreement_threshold

    limit = agreement_threshold(
        found.looks, false_alarms, source=found.source, workers=threads(workers)
    )
    return limit if threshold is None else replace(limit, value=threshold)


def tell_bad(console: Console, found: "Collection") -> None:
    """Images that could not be compared are named: none vanishes silently."""
    if found.gone:
        say(console, f"[yellow]note:[/] {plain(found.gone)}; only files were compared")
    bad = found.looks.bad
    if bad:
        say(console, f"[yellow]note:[/] {count(len(bad), 'image')} could not be compared:")
    for one in bad[:SHOWN]:
        say(console, plain(f"  {one.key}: {one.reason}"))
    if len(bad) > SHOWN:
        say(console, f"  and {len(bad) - SHOWN:,} more, which --json names")


def tell_files(
    console: Console, page: Path | None, decisions: Path | None, reason: str
) -> None:
    """Where results were written, and how decisions are undone if a command can."""
    if page is not None:
        say(console, f"The page is in {plain(page)}")
    if decisions is not None:
        back = "" if reason == "leak" else "; --undo takes it back"
        say(console, f"The list of decisions is in {plain(decisions)}{back}")


def tell_copies(
    console: Console,
    specs: tuple[str, str],
    wanted: tuple[str, Path | None, Path | None],
    limits: tuple[float, float | None],
    workers: int | None,
) -> None:
    """Images of one collection that are copies of one in another.

    Args:
        console: to tell it on.
        specs: where copies may come from, and where they are looked for.
        wanted: reason of decisions, and the files of the list and of the page.
        limits: share of false alarms, and the agreement in its place.
        workers: threads.
    """
    from ilk.curate import copies_among, copy_decisions, keep_decisions

    reason, decisions, output = wanted
    with TrainDisplay(console, reason) as display:
        known, asked = (opened(display, spec, workers) for spec in specs)
        limit = limit_of(known, *limits, workers)
        vectors = None
        if known.vectors is not None and asked.vectors is not None:
            vectors = known.vectors, asked.vectors
        if known.encoder != asked.encoder:
            vectors = None
            display.on_message("The two have no vectors of one encoder: hashes alone compare.")
        copies = copies_among(
            known.looks, asked.looks, vectors, threshold=limit.value,
            false_alarms=None if limits[1] else limits[0], workers=threads(workers),
            progress=lambda done, of: display.on_step(done, of, {}),
        )  # fmt: skip
    for found in (known, asked):
        tell_bad(console, found)
    _tell_found(console, known, asked, copies, limit)
    if output is not None:
        from ilk.viewer import copies_report, write_report

        write_report(output, copies_report(known, asked, copies, limit))
    if decisions is not None:
        # copies of other images are another question, whose rows stay
        rule = f" or more with {stored(known.source.name)[-_NAMED:]}"
        table = copy_decisions(
            copies, known, asked, reason=reason, by=f"agreement {limit.value:.2f}{rule}"
        )
        keep_decisions(decisions, table, instead=reason, by=rule, among=asked.images())
    tell_files(console, output, decisions, reason)
    answer(
        {
            "images": len(asked.source),
            "known": len(known.source),
            "threshold": limit.value,
            "copies": [
                {"key": asked.key(copy.row), "of": known.key(copy.of), "level": copy.level,
                 "agreement": round(copy.agreement, 4)} for copy in copies
            ],
            "bad": {one.key: one.reason for part in (known, asked) for one in part.looks.bad},
        }
    )  # fmt: skip


def _tell_found(
    console: Console, known: "Collection", asked: "Collection", copies: "Sequence[Copy]",
    limit: "Threshold",
) -> None:  # fmt: skip
    say(
        console,
        f"{len(copies):,} of {len(asked.source):,} images of {plain(asked.source.name)} are"
        f" copies of one of {len(known.source):,} in {plain(known.source.name)}"
        f"{levels_in_words(copies)}",
    )
    for copy in copies[:SHOWN]:
        words = f"  {asked.key(copy.row)} of {known.key(copy.of)}: {copy_in_words(copy)}"
        say(console, plain(words))
    tell_limit(console, limit)


def levels_in_words(copies: "Sequence[Copy]") -> str:
    """How many copies were found by each level."""
    levels = Counter(copy.level for copy in copies)
    words = ", ".join(f"{name} {number:,}" for name, number in levels.most_common())
    return f": {words}" if words else ""


def copy_in_words(copy: "Copy") -> str:
    """How a copy was found."""
    exact = copy.level in ("same file", "same pixels")
    return copy.level if exact else f"{copy.level}, agreement {copy.agreement:.2f}"


def tell_limit(console: Console, limit: "Threshold") -> None:
    """From what agreement on images are copies, and what share of altered ones agrees."""
    shares = ", ".join(f"{what} {share:.0%}" for what, share in limit.found.items())
    say(
        console,
        f"Images are copies from an agreement of {limit.value:.2f} on, or above where vectors"
        " alone propose them"
        + (
            f"; so many altered copies of these images agree once compared: {shares}"
            if shares
            else ""
        ),
    )
