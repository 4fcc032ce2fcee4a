"""On a terminal of any width bar, ETA and every number can be read, and so in a file."""

import io
import re

import pytest
from rich.console import Console
from rich.table import Table

from ilk import progress as module
from ilk.cli.tables import print_table
from ilk.progress import SHOWN, TrainDisplay

NUMBERS = dict.fromkeys(SHOWN, 0.4567)
TITLES = ["train", "runs/compare/moco-v3-neighbours-5-sdmp-seed-3: embed train", "[bold]x[/]"]


def drawn(width: int, title: str) -> list[str]:
    """The lines of a display in the middle of its work."""
    console = Console(file=io.StringIO(), force_terminal=True, width=width, color_system=None)
    display = TrainDisplay(console, title)
    for step in (1, 3, 5):
        display.on_step(step, 10, NUMBERS)
    console.print(display._bar.get_renderable())
    return console.file.getvalue().splitlines()


@pytest.mark.parametrize("title", TITLES)
@pytest.mark.parametrize("width", [48, 60, 80, 100, 200])
def test_bar_and_eta_are_always_there(width, title):
    (line,) = drawn(width, title)
    assert len(line) <= width
    assert "━" * 3 in line
    assert re.search(r"50% ETA \d:\d\d:\d\d", line)
    details = re.split(r"ETA [\d:]+", line)[1].split("  ")
    forms = [form.format(NUMBERS[name]) for name, form in SHOWN.items()]
    kept = [part.strip() for part in details if part.strip()]
    elapsed = kept and kept[-1].startswith("after")
    assert kept[: len(kept) - bool(elapsed)] == forms[: len(kept) - bool(elapsed)], (
        "whole or not"
    )
    assert "loss 0.457" in line or width < 80


@pytest.mark.parametrize("title", TITLES)
def test_elsewhere_a_line_each_half_minute_that_is_never_wrapped(monkeypatch, title):
    now = [0.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: now[0])
    console = Console(file=io.StringIO(), width=40)
    with TrainDisplay(console, title) as display:
        for step in range(1, 101):
            now[0] += 1.0
            display.on_step(step, 100, NUMBERS)
        display.on_message("a long note " * 20)
    *lines, note = console.file.getvalue().splitlines()
    assert [line.split("  ")[0] for line in lines] == [
        f"{title} {step}/100" for step in (31, 62, 93, 100)
    ]
    assert lines[0].endswith("ETA 0:01:09")
    assert note.startswith("note: a long note")


def table() -> Table:
    """Five protocols of two encoders."""
    made = Table(title="scores")
    made.add_column("features")
    for protocol in ("knn@1", "linear@1", "cluster@1", "few-label@1", "mce@1"):
        made.add_column(f"{protocol}\naccuracy", justify="right")
    for name, value in (("runs/first", 91), ("pixels", 34)):
        cells = [f"[bold]{value + i}.5 %[/]\n[dim]{value}.0 to 99.0[/]" for i in range(4)]
        made.add_row(name, *cells, "")
    return made


@pytest.mark.parametrize("width", [40, 60, 80])
def test_a_table_that_is_too_wide_becomes_blocks(width):
    console = Console(file=io.StringIO(), width=width)
    print_table(console, table())
    title, *lines = [line.rstrip() for line in console.file.getvalue().splitlines()]
    assert title == "scores"
    assert [line for line in lines if not line.startswith(" ")] == ["runs/first", "pixels"]
    assert lines[1] == "  knn@1 accuracy: 91.5 %  91.0 to 99.0"
    assert not any("mce@1" in line for line in lines), "an empty cell is no line"
    assert max(map(len, lines)) <= width


def test_a_table_that_fits_stays_one():
    console = Console(file=io.StringIO(), width=120)
    print_table(console, table())
    row = next(line for line in console.file.getvalue().splitlines() if "pixels" in line)
    assert all(f"{34 + i}.5 %" in row for i in range(4))
