"""Where the time of a run goes."""

import json
import time

import pytest
import torch

from ilk.train import train
from ilk.train.loop.profile import STEP, THREADED, Profile, no_clock
from tests.train.conftest import Witness


def test_parts_add_up_and_the_first_step_is_forgotten():
    profile = Profile(torch.device("cpu"))
    for seconds in (0.2, 0.02, 0.02):
        with profile("student"):
            time.sleep(seconds)
        with profile("decode"):
            pass
        profile.on_step()
    table = profile.table()
    assert table["steps"] == 2
    assert 0.02 <= table["step"]["student"] < 0.1
    assert sum(table["step"].values()) == pytest.approx(table["seconds"])
    assert table["step"]["rest"] >= 0


def test_a_run_is_the_same_with_a_profile_and_keeps_it(tiny, pictures, tmp_path):
    for name, asked in (("plain", False), ("profiled", True)):
        train(tiny(profile=asked, knn_every=0), pictures, tmp_path / name, Witness())
    records = [
        json.loads((tmp_path / name / "run.json").read_text()) for name in ("plain", "profiled")
    ]
    assert records[0]["last"]["loss"] == records[1]["last"]["loss"]
    assert "profile" not in records[0]
    table = records[1]["profile"]
    assert table["steps"] == 5
    assert list(table["step"]) == [*STEP, "rest"]
    assert all(table["step"][part] > 0 for part in STEP)
    assert all(table["threads"][part] > 0 for part in THREADED)


def test_without_a_profile_every_part_shares_one_empty_context():
    assert no_clock("student") is no_clock("views")
