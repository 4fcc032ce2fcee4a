"""Whether packing pays, measured on a few images; the plan says so where it clearly does."""

import io
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from rich.console import Console

from ilk.cli.display import print_profile
from ilk.core.min_pixels import MinPixels
from ilk.data import open_source, pack
from ilk.train import Settings
from ilk.train.devices import launch_fabric
from ilk.train.planning import measure, plan
from ilk.train.planning.made import Plan
from ilk.train.planning.packing import Gain, Work, gain_of, packing_line, profiled_line

GAIN = Gain(shorter_side=256, read=0.1, packed=0.01, bytes=1.25 * 2**30)
WORK = Work(seconds=1.0, decoding=0.8, waiting=0.3)


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Six photographs of 3 megapixels, and a file that is none."""
    for number in range(6):
        rng = np.random.default_rng(number)
        coarse = Image.fromarray(rng.integers(0, 255, (30, 40, 3), np.uint8))
        coarse.resize((2000, 1500)).save(tmp_path / f"{number}.jpg", quality=92)
    (tmp_path / "0-broken.jpg").write_bytes(b"\xff\xd8\xff\xe0")
    return tmp_path


def test_a_step_of_the_same_cores_loses_what_decoding_took_of_it():
    assert WORK.share(1) == pytest.approx(0.8)
    assert WORK.times_shorter(GAIN) == pytest.approx(1 / (1 - 0.8 * 0.9))
    assert packing_line(GAIN, WORK) == (
        "decoding is 80% of a step; ilk pack --shorter-side 256 would make an epoch 4 times "
        "shorter and take 1.2 GiB"
    )
    assert replace(WORK, decoding=99.0).share(1) == 1.0  # it was slower beside other work


def test_a_step_of_a_device_loses_no_more_than_it_waits():
    apart = replace(GAIN, shared=False, threads=2)
    beside = replace(WORK, decoding=1.6)  # on two threads at once
    assert replace(beside, waiting=0.9).times_shorter(apart) == WORK.times_shorter(GAIN)
    assert beside.times_shorter(apart) == pytest.approx(1 / 0.7)
    assert packing_line(apart, beside) == ""
    assert "2.0 times shorter" in packing_line(apart, replace(beside, waiting=0.5))


def test_what_does_not_pay_clearly_is_left_out():
    assert packing_line(GAIN, replace(WORK, decoding=0.35)) == ""  # 1.46 times
    assert "1.5 times" in packing_line(GAIN, replace(WORK, decoding=0.38))
    assert packing_line(replace(GAIN, packed=0.2), WORK) == ""


def test_a_few_images_say_what_would_be_gained(photos):
    source = open_source(str(photos))
    gain = gain_of(source, MinPixels(area=64**2, side=20), 3, shared=True)
    assert gain is not None
    assert gain.shorter_side == 64
    assert gain.packed < gain.read
    assert 7 * 1536 < gain.bytes < 7 * 8192
    assert gain_of(source, MinPixels(area=65**2, side=20), 3, shared=True).shorter_side == 96
    assert gain_of(source, MinPixels(area=100, side=70), 3, shared=False).shorter_side == 96
    assert gain_of(source, None, 3, shared=True) is None
    pack(source, photos / "out.tar")
    assert (
        gain_of(open_source(str(photos / "out.tar")), MinPixels(9, 3), 3, shared=True) is None
    )
    assert gain_of(open_source([b"", b"x"]), MinPixels(9, 3), 3, shared=True) is None


def test_the_plan_tells_it_and_keeps_it(photos, monkeypatch):
    settings = Settings(
        device="cpu", backbone="resnet_mini", steps=3, batch_size=2, image_size=32,
        max_bad_share=0.5, backbone_options={"widths": [8, 8], "depths": [1, 1]},
        method_options={"hidden": 16, "dim": 8},
    )  # fmt: skip
    lines: list[str] = []
    asked: list[object] = []

    def gained(*given: object, **_: object) -> Gain:
        asked.extend(given)
        return GAIN

    def planned() -> Plan:
        asked.clear()
        lines.clear()
        source = open_source(str(photos))
        return plan.plan(settings, source, launch_fabric(settings), lines.append)

    busy = Work(seconds=1.0, decoding=0.8, waiting=0.0)
    monkeypatch.setattr(Work, "of", lambda *_, **__: busy)
    monkeypatch.setattr(measure, "gain_of", gained)
    made = planned()
    assert asked[1].side >= 32
    (line,) = [line for line in lines if line.startswith("pack ")]
    assert line == f"pack    {packing_line(GAIN, busy)}"
    assert made.packing == GAIN
    assert made.record()["packing"] == asdict(GAIN)
    busy = replace(
        busy, decoding=0.3
    )  # even if it took nothing, a step would be 1.4 times shorter
    assert planned().packing is None
    assert asked == []


def test_the_profile_tells_it_by_what_was_measured():
    step = {"waiting": 0.3, "loss": 0.7}
    profile = {
        "steps": 9, "seconds": 2.0, "step": step, "threads": {"decode": 3.2},
        "processor": {"decode": 0.8, "step": 1.0},
    }  # fmt: skip
    record = {"plan": {"packing": asdict(GAIN)}, "profile": profile}
    assert profiled_line(record) == packing_line(GAIN, WORK)
    apart = replace(GAIN, shared=False, threads=4)
    slower = Work(seconds=2.0, decoding=3.2, waiting=1.5)
    waits = profile | {"step": step | {"waiting": 1.5}}
    found = profiled_line({"plan": {"packing": asdict(apart)}, "profile": waits})
    assert found == packing_line(apart, slower)
    assert found.startswith("decoding is 40% of a step")
    file = io.StringIO()
    print_profile(Console(file=file, width=200), record)
    assert f"pack    {packing_line(GAIN, WORK)}\n" in file.getvalue()
    for other in (
        {"plan": {}},
        {"plan": {"packing": None}},
        {"profile": profile | {"steps": 0}},
    ):
        assert profiled_line(record | other) == ""
