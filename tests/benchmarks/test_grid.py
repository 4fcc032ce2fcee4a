"""A grid of the benchmarks is a study, and its JSON is what it always was."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmarks import grid as grids
from benchmarks import mini, paper
from benchmarks.grid import CORRUPTED, Cell, Grid
from ilk.core import UserError
from ilk.data import Arrays, Subset
from ilk.rendered import Rendered

KEPT = Path(__file__).parents[2] / "benchmarks" / "results"
SHARED = {
    "backbone": "resnet_mini", "backbone_options": {"widths": (8, 16), "depths": (1, 1)},
    "image_size": 32, "batch_size": 8, "steps": 2, "workers": 1, "defaults": "paper",
    "method_options": {"hidden": 16, "dim": 8}, "knn_every": 1,
}  # fmt: skip


def drawn(count: int, split: str) -> Arrays:
    source = Rendered(count, size=32, split=split)
    images = np.stack([source.item(index) for index in range(count)])
    labels = np.array([source.label(index) for index in range(count)])
    return Arrays(images, labels, name=split, classes=source.classes)


@pytest.fixture
def grid(monkeypatch, tmp_path) -> Grid:
    monkeypatch.setattr(grids, "RESULTS", tmp_path / "results")
    monkeypatch.setattr(grids, "RUNS", tmp_path / "runs")
    train, test = drawn(40, "train"), drawn(20, "test")
    return Grid(
        name="tiny", shared=SHARED, train=train, test=test,
        cells=(
            Cell(name="pixels"), Cell(name="untrained"),
            Cell(name="moco-v3", settings={"method": "moco-v3"}),
            Cell(name="few", settings={"method": "moco-v3"},
                 images=Subset(train, np.arange(24))),
        ),
        corrupted=Subset(test, np.arange(4)),
    )  # fmt: skip


def test_every_cell_leaves_what_the_tables_read(grid, tmp_path):
    grid.run(1)
    place = tmp_path / "results" / "tiny"
    found = {path.stem: json.loads(path.read_text()) for path in place.glob("*.json")}
    assert set(found) == {f"{cell.name}-seed0" for cell in grid.cells}
    kept = json.loads((KEPT / "regimes-choice" / "moco-v3-none-lr-0.004-t-0.2-seed100.json")
                      .read_text())  # fmt: skip
    for cell in found.values():
        assert set(cell) == {*kept, "guard"}  # kept before there was one
        names = [result["protocol"] for result in cell["results"]]
        assert names == ["knn@1", "linear@1", CORRUPTED]
        assert cell["commit"]
        assert cell["versions"]["torch"]
        assert set(cell["results"][0]) >= set(kept["results"][0])
        for result in cell["results"][:2]:
            assert grids.unpacked(result).mean() == pytest.approx(result["value"])
    assert found["few-seed0"]["images"] == 24
    assert found["moco-v3-seed0"]["images"] is None
    assert found["moco-v3-seed0"]["settings"]["steps"] == 2
    assert found["moco-v3-seed0"]["online_knn"]
    assert found["moco-v3-seed0"]["train_processor_seconds"] > 0
    assert found["untrained-seed0"]["settings"] is None
    before = {path: path.stat().st_mtime_ns for path in place.glob("*.json")}
    grid.run(1)
    assert {path: path.stat().st_mtime_ns for path in place.glob("*.json")} == before


def test_a_cell_that_fails_says_why_and_the_others_go_on(grid, tmp_path):
    """Labels are missing at first; cells are trained as soon as they can be."""
    asks = Cell(name="asks", settings={"method": "supervised", "method_options": {}})
    blank = Arrays(np.zeros((8, 32, 32, 3), np.uint8), np.full(8, -1), name="blank")
    other = replace(grid.cells[2], settings={"method": "moco-v3", "knn_every": 0})
    some = replace(
        grid, cells=(replace(asks, images=blank), other), corrupted=None, protocols=("knn@1",)
    )
    with pytest.raises(UserError, match="tiny: asks failed; see"):
        some.run(1)
    place = tmp_path / "results" / "tiny"
    assert {path.name for path in place.iterdir()} == {
        "asks-seed0.failed", "moco-v3-seed0.json"
    }  # fmt: skip
    kept = json.loads((place / "asks-seed0.failed").read_text())
    assert (kept["cell"], kept["seed"]) == ("asks", 0)
    assert kept["reason"].startswith("labels: supervised must have labelled images")
    assert grids.kept_cells(place, "asks") == []
    replace(some, cells=(replace(asks, images=grid.train),)).run(1)
    assert {path.suffix for path in place.iterdir()} == {".json"}


def test_the_paper_scores_what_the_grid_has_trained(grid, tmp_path, monkeypatch):
    monkeypatch.setattr(paper, "RESULTS", tmp_path / "results")
    whole = grid.study(1)
    paper.measure(whole, None, grids.Console())
    assert not list((tmp_path / "results").rglob("*.json"))
    grid.run(1, "moco-v3")
    paper.measure(whole, None, grids.Console())
    place = tmp_path / "results" / "paper"
    assert {path.stem for path in place.glob("*.json")} == {"moco-v3-seed0", "untrained-seed0"}
    content = json.loads((place / "moco-v3-seed0.json").read_text())
    assert [r["protocol"] for r in content["results"]] == ["knn@1", "linear@1", CORRUPTED]


def test_mini_is_a_study(shared_data):
    made = mini.grid(shared_data("cifar10-20k.parquet")).study(2)
    assert [cell.name for cell in made.cells][-2:] == ["pixels", "untrained"]
    assert {cell.settings.method for cell in made.cells if cell.settings} == {"moco-v3", "dino"}


def test_a_cell_keeps_what_stages_were_given(tmp_path):
    assert grids.staged(tmp_path) == {}
    stages = [{"name": "joint"}, {"name": "last", "labels": {"by": "joint", "accuracy": 0.1}}]
    record = {"settings": {}, "data": {}, "stages": stages}
    (tmp_path / "stages.json").write_text(json.dumps(record))
    assert grids.staged(tmp_path) == {"stages": stages}
