"""``ilk compare`` on the demo's images, as a person calls it."""

import contextlib
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from ilk.cli.grid import fitting
from ilk.core import UserError
from ilk.core.names import catalogue
from ilk.study import cells
from ilk.train import Settings
from ilk.train.assemble import check_fits
from tests.cli.conftest import TINY
from tests.viewer.reading import kind, text, tree

NAMES = ["moco-v3", "moco-v3-sdmp", "byol", "byol-sdmp", "untrained", "pixels"]


def words(folder: Path) -> list[str]:
    return [
        "compare", str(folder / "train"), "--methods", "moco-v3,byol", "--mixes", "none,sdmp",
        "--seeds", "2", "--train", str(folder / "train"), "--test", str(folder / "test"),
        "--protocols", "knn", *TINY, "--steps", "2", "-o", "both",
    ]  # fmt: skip


def called(arguments: list[str], place: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "ilk.cli", *arguments], cwd=place, check=False, text=True,
        capture_output=True, timeout=300, env={**os.environ, "COLUMNS": "80"},
    )  # fmt: skip


def table(printed: str) -> list[str]:
    """The table and the sentences below it."""
    return printed[printed.index("mean over 2 seeds") :].splitlines()


@pytest.fixture(scope="module")
def compared(folder, tmp_path_factory):
    place = tmp_path_factory.mktemp("compare")
    return place, called(words(folder), place)


def test_it_ends_with_a_table_and_sentences(compared):
    _, done = compared
    assert done.returncode == 0, done.stderr
    lines = table(done.stdout)
    assert max(len(line) for line in lines if line[:1] in "┃│└┏┡") <= 80
    for name in NAMES:
        assert any(line.split("│")[1].strip() == name for line in lines if "│" in line), name
    assert "knn@1: moco-v3-sdmp" in done.stdout
    assert "knn@1: byol-sdmp" in done.stdout


def test_it_leaves_a_page_and_numbers(compared):
    place, _ = compared
    content = json.loads((place / "both" / "compare.json").read_text())
    assert [row["name"] for row in content["rows"]] == NAMES
    assert all(row["means"]["knn@1"]["seeds"] == 2 for row in content["rows"][:5])
    assert len(content["differences"]) == 15
    root = tree((place / "both" / "report.html").read_text())
    titles = [text(head) for head in root.iter("h2")]
    assert titles == [
        "Accuracy", "Spread and cost", "Does mixing help?", "Differences between all pairs",
        "Learning curves", "Details",
    ]  # fmt: skip
    shown = text(root.find("html/body"))
    assert "k-NN accuracy (knn@1)" in shown
    for row in content["rows"]:
        assert f"{100 * row['means']['knn@1']['mean']:.1f}" in shown
    assert len(kind(root, "tr", "ours")) == 1


def test_the_same_command_trains_nothing_again(compared, folder):
    place, first = compared
    runs = sorted(place.rglob("run.json"))
    assert len(runs) == 8
    before = [run.stat().st_mtime_ns for run in runs]
    again = called(words(folder), place)
    assert again.returncode == 0, again.stderr
    assert [run.stat().st_mtime_ns for run in runs] == before
    assert table(again.stdout) == table(first.stdout)


def test_what_does_not_fit_is_left_out_before_anything_is_trained(capsys):
    shared = Settings(steps=2)
    grid = cells(shared, methods=("moco-v3", "vicreg"), mixes=("none", "sdmp"))
    assert [cell.name for cell in fitting(grid)] == ["moco-v3", "moco-v3-sdmp", "vicreg"]
    said = capsys.readouterr().out
    assert said.startswith(
        "note: vicreg-sdmp is left out: mix sdmp: the method must take mixed"
    )
    assert said.count("note:") == 1


def test_a_grid_in_which_nothing_fits_is_refused():
    grid = cells(Settings(steps=2), methods=("simsiam", "byol"), kin=("fnc",))
    with pytest.raises(UserError, match="a method must take the mix or kin rule that is named"):
        fitting(grid)


@pytest.mark.parametrize(
    ("method", "options", "says"),
    [
        ("vigreg", {}, "did you mean vicreg"),
        ("vicreg", {"mix_options": {"version": "bogus"}}, "version must be one of"),
        ("simclr", {"optimiser_options": {"lrr": 1}}, "did you mean lr"),
    ],
)
def test_what_is_wrong_is_refused_and_not_left_out(method, options, says):
    grid = cells(Settings(**options), methods=("moco-v3", method), mixes=("none", "sdmp"))
    with pytest.raises(UserError, match=says):
        fitting(grid)


@pytest.mark.parametrize("method", sorted(catalogue()["fits"]))
def test_what_fits_is_as_the_table_says(method):
    for part, reason in catalogue()["fits"][method].items():
        axis = "kin" if part in catalogue()["kin rule"] else "mix"
        settings = Settings(**{"method": method, axis: part})
        says = re.escape(reason) if reason else None
        with pytest.raises(UserError, match=says) if says else contextlib.nullcontext():
            check_fits(settings)
