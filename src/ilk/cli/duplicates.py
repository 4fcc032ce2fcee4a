"""``ilk duplicates``: which images are copies of one another, and which of them stay."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter
from rich.console import Console

from ilk.cli.arguments import check_paths
from ilk.cli.copies import (
    SHOWN,
    check_range,
    copy_in_words,
    levels_in_words,
    limit_of,
    opened,
    tell_bad,
    tell_copies,
    tell_files,
    tell_limit,
    threads,
)  # fmt: skip
from ilk.cli.terminal import answer, plain, say, terminal
from ilk.core.counts import count
from ilk.core.endings import check_page
from ilk.core.errors import UserError
from ilk.core.shown import stored
from ilk.progress import TrainDisplay

_RULE = 120  # first letters of a rule that a list has

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ilk.curate import Choose, Collection, Group, Threshold


def duplicates(
    data: str,
    *,
    against: str | None = None,
    keep: str | None = None,
    decisions: Path | None = None,
    undo: bool = False,
    output: Annotated[Path | None, Parameter(name=["--output", "-o"])] = None,
    false_alarms: float = 0.001,
    threshold: float | None = None,
    workers: int | None = None,
) -> None:
    """Find copies: same file, same pixels, same look under turns and flips, and near vectors.

    No image is deleted or moved. With --decisions, a list says which images training should
    leave out (ilk train --subset), and --undo takes that back.

    Parameters
    ----------
    data
        Look in these images: an index of ilk index, whose vectors find crops and screenshots
        too, or a folder, zip, tar, parquet file or pattern.
    against
        Find images of DATA that are copies of these instead, such as those already trained on:
        an index or images.
    keep
        Keep this image of a group: largest, oldest (the file that was changed first), typical,
        or folder:PATH for one whose path begins so; it is largest when not given.
    decisions
        Write which images stay and which are dropped to this list, a parquet file.
    undo
        Take back what this command wrote to the list, and do no more.
    output
        Write a page that shows the groups, largest first, to this HTML file.
    false_alarms
        Take for copies what agrees more than this share of pairs of other images does.
    threshold
        Take for copies what agrees so much, 0 to 1, in the place of a share of false alarms.
    workers
        Read and compare in so many threads; there is one per core when not given.
    """
    console = terminal()
    if undo:
        _undo(console, decisions)
        return
    _check_keep(keep, against)
    check_range(false_alarms, threshold)
    if output is not None:
        check_page(output)
    check_paths([data] if against is None else [data, against])
    if against is not None:
        tell_copies(
            console, (against, data), ("copy", decisions, output),
            (false_alarms, threshold), workers,
        )  # fmt: skip
        return
    from ilk.curate import (
        duplicate_groups,
        group_decisions,
        group_sizes,
        keep_decisions,
        keep_rule,
    )

    with TrainDisplay(console, "duplicates") as display:
        found = opened(display, data, workers)
        choose = keep_rule(keep or "largest", found.looks, found.source)
        limit = limit_of(found, false_alarms, threshold, workers)
        groups = duplicate_groups(
            found.looks, found.vectors, threshold=limit.value,
            false_alarms=None if threshold else false_alarms, workers=threads(workers),
            progress=lambda done, of: display.on_step(done, of, {}),
        )  # fmt: skip
    if found.findings is not None:
        sizes = group_sizes(groups, found.looks, len(found.source))
        found.findings.keep("duplicates", sizes)
    tell_bad(console, found)
    _tell_groups(console, found, groups, limit)
    written = _page(found, groups, limit, choose, output)
    if decisions is not None:
        rule = stored(f"--keep {keep or 'largest'}")[:_RULE]
        by = f"ilk duplicates {rule}, agreement {limit.value:.2f} or more"
        table = group_decisions(groups, choose, found.looks, found.source, by)
        keep_decisions(decisions, table, instead="duplicate", among=found.images())
    tell_files(console, written, decisions, "duplicate")
    answer(_answer(found, groups, limit, choose))


def _check_keep(keep: str | None, against: str | None) -> None:
    if keep is not None and against is not None:
        raise UserError(
            f"--keep: must be left out with --against, whose images all stay, got {keep!r:.200}"
        )


def _undo(console: Console, decisions: Path | None) -> None:
    if decisions is None:
        raise UserError("--undo: must come with --decisions LIST, got no list")
    from ilk.curate import undo_rule_decisions

    gone = sum(undo_rule_decisions(decisions, reason) for reason in ("duplicate", "copy"))
    say(console, f"{count(gone, 'decision')} taken back from {plain(decisions)}")
    answer({"taken_back": gone, "decisions": str(decisions)})


def _tell_groups(
    console: Console, found: "Collection", groups: "Sequence[Group]", limit: "Threshold"
) -> None:
    copies = [copy for group in groups for copy in group.copies]
    say(
        console,
        f"{len(copies):,} of {len(found.source):,} images are copies of another one, in"
        f" {count(len(groups), 'group')}{levels_in_words(copies)}",
    )
    for group in groups[:SHOWN]:
        first = group.copies[0]
        more = f" and {len(group.copies) - 1:,} more" if len(group.copies) > 1 else ""
        words = f"  {found.key(group.medoid)}: {found.key(first.row)}{more}"
        say(console, plain(f"{words} ({copy_in_words(first)})"))
    tell_limit(console, limit)


def _page(
    found: "Collection",
    groups: "Sequence[Group]",
    limit: "Threshold",
    choose: "Choose",
    output: Path | None,
) -> Path | None:
    if output is None:
        return None
    from ilk.viewer import groups_report, write_report

    return write_report(output, groups_report(found, groups, limit, choose))


def _answer(
    found: "Collection", groups: "Sequence[Group]", limit: "Threshold", choose: "Choose"
) -> dict[str, object]:
    return {
        "images": len(found.source),
        "threshold": limit.value,
        "false_alarms": limit.rate,
        "found_of_altered": limit.found,
        "groups": [
            {
                "keep": found.key(choose(group)),
                "medoid": found.key(group.medoid),
                "copies": [
                    {"key": found.key(copy.row), "level": copy.level,
                     "agreement": round(copy.agreement, 4)} for copy in group.copies
                ],
            }
            for group in groups
        ],
        "bad": {one.key: one.reason for one in found.looks.bad},
    }  # fmt: skip
