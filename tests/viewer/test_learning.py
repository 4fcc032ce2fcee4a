"""Measurements that are drawn may be damaged or a stranger's."""

import json

import pytest

from ilk.viewer import learning_curves
from ilk.viewer.learning import metrics

GOOD = {"step": 0, "epoch": 1.0, "loss": 2.0, "knn": 0.5}


@pytest.mark.parametrize(
    "line",
    [b"[" * 100_000, b"\xff\xfe", b"5", b"[1, 2]", b'{"loss": 1}', b'{"epoch": "one"}', b"",
     b'{"epoch": 1', b'{"epoch": true}', b'{"epoch": 1e999}', b"null"],
)  # fmt: skip
def test_lines_that_are_no_measurements_are_left_out(tmp_path, line):
    path = tmp_path / "metrics.jsonl"
    good = json.dumps(GOOD).encode()
    path.write_bytes(b"\n".join([good, line, good]))
    assert metrics(path) == [GOOD, GOOD]


@pytest.mark.parametrize("value", ['"x"', "null", "[1]", "NaN", "1" + "0" * 400, "true", "{}"])
def test_values_that_cannot_be_drawn_are_left_out(tmp_path, value):
    path = tmp_path / "metrics.jsonl"
    path.write_text(f'{{"epoch": 1, "loss": {value}, "knn": 0.5}}')
    assert metrics(path) == [{"epoch": 1, "knn": 0.5}]
    assert [figure.title for figure in learning_curves(path)] == ["Online k-NN accuracy"]


def test_what_is_no_plain_file_has_no_measurements(tmp_path):
    (tmp_path / "link").symlink_to("/dev/zero")
    for name in ("none", "link", "."):
        assert metrics(tmp_path / name) == []
