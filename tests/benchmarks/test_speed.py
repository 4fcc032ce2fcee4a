"""The works that are timed can be done, and say what they say they do."""

import os
import subprocess
import sys

import numpy as np
import pytest
import torch

from benchmarks import data_speed, engines, speed, step_speed
from benchmarks.speed_tables import pace
from ilk.views import byol_pair, render


@pytest.fixture(scope="module")
def moco():
    return step_speed.trainer("moco-v3", step_speed.MOCO)


def test_a_step_moves_the_student_and_its_bare_passes_do_not(moco):
    def weights():
        return torch.cat([part.detach().flatten() for part in moco.student.parameters()])

    before = weights()
    step_speed.bare(moco)()
    step_speed.encoder_step(moco)()
    assert torch.equal(weights(), before)
    work = step_speed.step(moco)
    work()  # the warm-up begins at a learning rate of zero
    work()
    assert moco.step == 2
    assert not torch.equal(weights(), before)


def test_pictures_lie_in_memory_as_the_loader_s_do(moco):
    made = next(iter(step_speed.batch_for(moco, 4).views.values()))
    views = byol_pair(32)
    real = render(views, [np.zeros((40, 40, 3), np.uint8)] * 4, np.arange(4), 0, 0)["a"]
    assert (made.stride(), made.dtype, made.shape) == (real.stride(), real.dtype, real.shape)


def test_every_strategy_of_mixing_is_timed(moco):
    images = step_speed.float_views(moco)[0]
    spent = step_speed.interleaved(
        {name: step_speed.mixing(images, name) for name in step_speed.STRATEGIES}, 2
    )
    assert {name: len(times) for name, times in spent.items()} == dict.fromkeys(
        ("mixup", "cutmix", "resizemix"), 2
    )


def test_a_peer_that_is_not_there_is_said_to_be_missing():
    ours = {"images_per_second": 300.0, "times_slower_than_ilk": 1.0}
    theirs = {"images_per_second": 100.0, "times_slower_than_ilk": 3.0}
    rows = speed.against_peers("decode + 2 x 224 BYOL", {"ilk": ours, "lightly": theirs})
    measured, missing = map(pace, rows)
    assert measured == "| decode + 2 x 224 BYOL | lightly | 3.00 x as fast | 5 or more |"
    assert "not measured: albumentations is not installed" in missing


@pytest.mark.parametrize(
    ("row", "line"),
    [
        ({"seconds": 0.0405, "unit": "s", "at_most": 2.0}, "|  | 0.0405 s | 2 or less |"),
        (
            {"against": "few", "ratio": 123.4, "unit": "MiB more", "at_most": 300},
            "| few | 123 MiB more | 300 or less |",
        ),
        (
            {"against": "passes", "ratio": 1.06, "seconds": 2.0, "at_most": 1.05},
            "| passes | 1.060 x the time | 1.05 or less |",
        ),
    ],
)
def test_the_table_says_in_what_a_thing_is_measured(row, line):
    assert pace({"work": "a", **row}) == f"| a {line}"


def test_large_folders_are_planted_and_listed(tmp_path, monkeypatch):
    monkeypatch.setenv("ILK_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(data_speed, "FOLDERS", 10)
    data_speed.planted(tmp_path / "many", 200)
    assert sum(len(names) for _, _, names in os.walk(tmp_path / "many")) == 200
    walked, cold, cached = data_speed.listings(tmp_path / "many", 1)
    assert min(*walked, *cold, *cached) > 0


def test_the_memory_of_a_child_is_its_own():
    ballast = bytearray(300_000_000)
    ballast[::4096] = b"1" * len(ballast[::4096])
    command = [sys.executable, "-c", "print(flush=True); input()"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        child.stdout.readline()
        assert 1_000_000 < data_speed.peak(child.pid) < 100_000_000
        child.communicate(b"\n")
    assert data_speed.peak(os.getpid()) > len(ballast)
    assert data_speed.peak(child.pid) == 0


def test_torchvision_s_views_are_like_ours_and_those_of_their_seed():
    chance = np.random.default_rng(0)
    images = [chance.integers(0, 256, (40, 30, 3), np.uint8) for _ in range(64)]
    views, items = byol_pair(32), np.arange(64)
    ours, theirs, again = (
        engine(views, images, items, 0, 0)
        for engine in (render, engines.torchvision, engines.torchvision)
    )
    for view in views:
        assert theirs[view.name].shape == ours[view.name].shape
        assert theirs[view.name].dtype == torch.uint8
        assert torch.equal(theirs[view.name], again[view.name])
        for statistic in (torch.mean, torch.std):
            a, b = (statistic(made[view.name].float()).item() for made in (ours, theirs))
            assert a == pytest.approx(b, rel=0.1)
    other = engines.torchvision(views, images, items, 1, 0)
    assert not torch.equal(theirs["a"], other["a"])
