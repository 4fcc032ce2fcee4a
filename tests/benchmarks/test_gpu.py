"""The script for a GPU, on a processor: every part ends, and what fails is listed."""

import io
import json
import sys
import time

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image

from benchmarks.gpu import __main__ as gpu
from benchmarks.gpu import prepare
from benchmarks.gpu.crew import Crew
from benchmarks.gpu.laws import apart
from benchmarks.gpu.place import FULL, TINY
from benchmarks.gpu.worker import units
from ilk.core import UserError
from ilk.data import open_source

MISSING = {"compile/", "compiled/"}  # takes a minute of compiling for each network


def test_a_toy_goes_through_all_parts(tmp_path):
    words = ["--device", "cpu", "--tiny", "--minutes", "10"]
    assert gpu.main([*words, "--out", str(tmp_path / "out"), "--runs", str(tmp_path)]) == 0
    found = {part: json.loads((tmp_path / "out" / f"{part}.json").read_text())
             for part in gpu.PARTS}  # fmt: skip
    for part, content in found.items():
        assert set(content["rows"]) == {
            name for name in units(TINY) if name.startswith(f"{part}/")
        }
        assert content["failures"] == content["left_out"] == []
        assert {"command", "date", "machine", "commit", "seed", "versions"} <= set(content)
    laws = found["laws"]["rows"].values()
    assert all(row["holds"] for row in laws)
    for row in found["speed"]["rows"].values():
        assert row.get("ilk", row)["images_per_second"] > 0
    cells = [row for name, row in found["cells"]["rows"].items() if "/cell/" in name]
    assert [row["settings"]["mix"] for row in cells] == [None, "sdmp", "i-mix"]
    # All of them see as many images, and are scored by both probes.
    assert len({row["settings"]["steps"] for row in cells}) == 1
    for row in cells:
        assert [result["protocol"] for result in row["results"]] == ["knn@1", "linear@1"]


def test_the_whole_has_what_a_toy_leaves_out():
    toy, whole = units(TINY), units(FULL)
    assert not [name for name in toy if any(part in name for part in MISSING)]
    for law in ("golden", "half", "resume"):
        assert len([name for name in whole if name.startswith(f"laws/{law}/")]) > 50
    assert {"laws/compile/resnet", "laws/compile/vit", "speed/compiled/dino/256"} <= set(whole)
    assert {"speed/step/sdmp/512", "speed/step/dino/512", "vectors/knn"} <= set(whole)


@pytest.fixture
def crew(tmp_path, monkeypatch):
    """A crew whose worker is a script of ours."""
    rows: dict[str, dict[str, object]] = {}

    def made(script: str, seconds: float = 60.0) -> tuple[Crew, dict[str, dict[str, object]]]:
        worker = tmp_path / "worker.sh"
        worker.write_text("#!/bin/sh\nshift 2\n" + script)
        worker.chmod(0o755)
        monkeypatch.setattr(sys, "executable", str(worker))
        until = time.time() + seconds
        crew = Crew(arguments=(), until=until, keep=rows.__setitem__, log=tmp_path / "log")
        return crew, rows

    return made


SAYS = """row() { echo "{\\"unit\\": \\"$name\\", \\"row\\": {$1}}"; }
for name in "$@"; do
case $name in
  dies) exit 9;;
  spoils) row '"failed": "CUDA error"'; exit 3;;
  hangs) exec sleep 600;;
  *) row '"holds": true';;
esac
done
"""


def test_a_process_that_dies_takes_no_other_unit_with_it(crew):
    made, rows = crew(SAYS)
    assert made.finish(["a", "dies", "b", "spoils", "c"]) == []
    assert rows["dies"] == {"failed": "its process ended with status 9"}
    assert rows["spoils"] == {"failed": "CUDA error"}
    assert all(rows[name] == {"holds": True} for name in "abc")


def test_the_clock_ends_what_is_under_way_and_keeps_what_is_there(crew):
    made, rows = crew(SAYS, seconds=2.0)
    assert made.finish(["a", "hangs", "b", "c"], side=2) == ["hangs", "c"]
    assert set(rows) == {"a", "b"}


def test_a_failure_is_listed_and_written_at_once(tmp_path):
    report = gpu.Report(tmp_path / "laws.json", {"seed": 0})
    report.add("laws/golden/dino", {"holds": False, "worst": 0.1})
    report.add("laws/half/dino", {"failed": "RuntimeError: no kernel"})
    report.add("laws/golden/byol", {"holds": True})
    kept = json.loads((tmp_path / "laws.json").read_text())
    assert kept["failures"] == ["laws/golden/dino", "laws/half/dino"]
    assert len(kept["rows"]) == 3


def test_states_are_apart_in_any_bit_and_any_name():
    one = {"a": torch.tensor([1.0, 2.0]), "b": torch.tensor([3])}
    assert apart(one, {name: tensor.clone() for name, tensor in one.items()}) == {}
    assert apart(one, one | {"a": torch.tensor([1.0, 2.5])}) == {"a": 0.5}
    assert set(apart(one, {"a": one["a"]})) == {"b"}


def test_prepared_images_are_the_same_and_smaller(tmp_path, monkeypatch):
    shown = [np.arange(32 * 32 * 3, dtype=np.uint8).reshape(32, 32, 3) + n for n in range(6)]
    codes = []
    for pixels in shown:
        out = io.BytesIO()
        Image.fromarray(pixels).save(out, "PNG")
        codes.append(out.getvalue())
    table = pa.table({
        "image": pa.array(codes, pa.binary()), "label": pa.array([0, 1] * 3, pa.int32()),
        "split": ["train"] * 4 + ["test"] * 2,
    })  # fmt: skip
    pq.write_table(table, tmp_path / "png.parquet")
    out = tmp_path / "carried"
    given = ["--data", str(tmp_path / "png.parquet"), "--out", str(out), "--no-wheels"]
    prepare.main(given)
    assert prepare.counted(out) == 4
    found = pq.read_table(out / prepare.IMAGES)["image"].to_pylist()
    for pixels, code in zip(shown, found, strict=True):
        assert code[8:12] == b"WEBP"
        assert (np.array(Image.open(io.BytesIO(code))) == pixels).all()
    assert [open_source(f"{out / prepare.IMAGES}:train").label(i) for i in range(4)] == [
        0,
        1,
        0,
        1,
    ]
    monkeypatch.setattr(prepare, "CARRIES", 1000)
    with pytest.raises(UserError, match="must be at most 0 MiB"):
        prepare.main(given)
