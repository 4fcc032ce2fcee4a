"""Given weights before and after, and the chart of a run that turned back."""

import copy
import json
from pathlib import Path

import pytest

from ilk.viewer import Report, write_report
from ilk.viewer.guarded import guarded
from tests.viewer.reading import tree

START = {"step": 0, "value": 0.8, "low": 0.76, "high": 0.84, "rankme": 40.0, "lidar": None}
RECORD = {
    "guard": {
        "decides": True, "key": "knn", "score": "k-NN accuracy", "images": 500,
        "start": START, "last": {**START, "step": 100, "value": 0.86, "rankme": 52.5},
        "turns": [{"step": 40, "to": 20, "why": "the loss was not finite (step 39)"}],
        "difference": 0.06, "interval": [0.03, 0.09],
        "words": "better than at the start by 6.0 points (interval 3.0 to 9.0, on 500 images)",
    }
}  # fmt: skip


@pytest.fixture
def run(tmp_path) -> Path:
    looks = {19: 0.82, 39: 0.55, 59: 0.83, 79: 0.85, 99: 0.86}
    lines = ({"step": s, "epoch": s / 10, "knn": k} for s, k in looks.items())
    (tmp_path / "metrics.jsonl").write_text("\n".join(map(json.dumps, lines)))
    return tmp_path


def test_the_chapter_says_what_was_measured(run):
    (chapter,) = guarded({"runs/mine": (run, RECORD)})
    (figure,) = chapter.figures
    encoder, start = figure.lines
    assert encoder.points[0] == (0.0, 0.8)
    assert encoder.points[-1] == (100, 0.86)
    assert start.points == ((0.0, 0.8), (100, 0.8))
    assert start.band == ((0.76, 0.84),) * 2
    assert figure.marks == (40.0,)
    rows = [
        " ".join(row).replace("\N{NARROW NO-BREAK SPACE}", " ") for row in chapter.grids[0].rows
    ]
    assert rows[0] == "k-NN accuracy 80.0 % 86.0 % +6.0 (+3.0 to +9.0)"
    assert rows[1] == "RankMe 40.0 52.5 +12.5"
    assert len(rows) == 2
    assert chapter.lines[1] == (
        "After step 40 the loss was not finite (step 39), and the weights of step 20 were put"
        " back."
    )


def test_few_labels_and_what_is_worse_stand_beside(run):
    record = copy.deepcopy(RECORD)
    few = {"images": 5, "start": 0.6, "last": 0.4, "difference": -0.2, "interval": [-0.7, 0.3]}
    record["guard"] |= {
        "key": "stable", "labelled": few, "worse": "the effective rank (RankMe) was 30%",
        "rank": {"left": 0.3, "low": 0.2, "high": 0.4},
    }  # fmt: skip
    (chapter,) = guarded({"runs/mine": (run, record)})
    row = " ".join(chapter.grids[0].rows[-1]).replace("\N{NARROW NO-BREAK SPACE}", " ")
    assert row == "k-NN accuracy, 5 labelled images 60.0 % 40.0 % -20.0 (-70.0 to +30.0)"
    assert "At the end the effective rank (RankMe) was 30%." in chapter.lines
    record["guard"]["rank"]["left"] = "much"
    assert guarded({"runs/mine": (run, record)}) == []


def test_the_page_draws_a_line_for_every_time(run, tmp_path):
    chapters = guarded({"runs/mine": (run, RECORD)})
    page = write_report(
        tmp_path / "page.html", Report(title="t", verdict="v", chapters=tuple(chapters))
    )
    text = page.read_text()
    assert text.count('class="chance"') == 1
    assert "At a dotted line the run went back" in text
    assert tree(text) is not None


def test_a_stranger_s_record_gives_no_chapter(run):
    for name, value in {
        "start": {"step": 0}, "key": "<b>", "turns": [{"step": "a", "to": 0, "why": ""}],
        "interval": [0.1], "difference": 1e30, "words": 5,
    }.items():  # fmt: skip
        record = copy.deepcopy(RECORD)
        record["guard"][name] = value
        assert guarded({"run": (run, record)}) == []
    assert guarded({"run": (run, {})}) == []
    assert guarded({"run": (run, {"guard": {}})}) == []
