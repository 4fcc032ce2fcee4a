"""The table of a run's stages."""

import json

import pytest

from ilk.viewer.staged import staged

LABELS = {"by": "teacher", "images": 1200, "reached": 900, "taken": 880, "different": 700}
STAGES = [
    {"name": "teacher"},
    {
        "name": "student-1",
        "labels": {**LABELS, "commonest": 0.3, "accuracy": 0.5, "accuracy_reached": 0.625},
    },
    {"name": "student-2", "labels": {**LABELS, "by": "student-1"}},
]


def written(place, entries):
    record = {"settings": {}, "data": {}, "stages": entries}
    (place / "stages.json").write_text(json.dumps(record))
    return {"runs/a": (place, {})}


def test_every_stage_has_a_row(tmp_path):
    (chapter,) = staged(written(tmp_path, STAGES))
    rows = [
        " ".join(row).replace("\N{NARROW NO-BREAK SPACE}", " ").strip()
        for row in chapter.grids[0].rows
    ]
    assert rows == [
        "teacher labels alone",
        "student-1 teacher 1,200 900 880 700 30.0 % 50.0 % 62.5 %",
        "student-2 student-1 1,200 900 880 700 not measured not measured not measured",
    ]


def test_a_run_without_stages_has_no_chapter(tmp_path):
    assert staged({"runs/a": (tmp_path, {})}) == []


@pytest.mark.parametrize(
    "entry",
    [7, {}, {"name": 7}, {"name": "a", "labels": []}, {"name": "a", "labels": {"by": "b"}},
     {"name": "a", "labels": {**LABELS, "accuracy": 7}},
     {"name": "a", "labels": {**LABELS, "commonest": 2}}],
)  # fmt: skip
def test_what_a_stranger_wrote_is_left_out(tmp_path, entry):
    assert staged(written(tmp_path, [entry])) == []
