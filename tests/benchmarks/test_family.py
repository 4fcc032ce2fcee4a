"""Every method has a cell in the family benchmark, and every cell starts."""

from pathlib import Path

import numpy as np
import pytest

from benchmarks import family, family_page, semi
from benchmarks.grid import Grid, write
from ilk.data import Arrays
from ilk.methods import METHODS
from ilk.train import Settings
from ilk.train.setup import Setup

CELLS = {cell.name: cell for cell in family.cells()}
TRANSFORMERS = {cell.name: cell for cell in family.transformers()}


def test_every_method_has_a_cell_and_every_cell_a_method():
    assert {*family.METHOD_OPTIONS, *semi.METHODS} == {*METHODS}
    assert not {*family.METHOD_OPTIONS} & {*semi.METHODS}
    beaten = ["pixels", "untrained", "untrained-vit", "untrained-amdim"]
    assert [*CELLS] == [*beaten, *family.METHOD_OPTIONS, "amdim-own"]


@pytest.fixture(scope="module")
def noise() -> Arrays:
    chance = np.random.default_rng(0)
    images = chance.integers(0, 256, (256, 32, 32, 3)).astype(np.uint8)
    return Arrays(images, np.arange(256) % 10)


def test_every_method_meets_both_networks_where_it_can():
    with_transformer = {name for name, own in family.BACKBONES.items() if "backbone" in own}
    assert with_transformer == {"mae", "ibot", "dinov2", "i-jepa", "msn"}
    assert {*TRANSFORMERS} == {*family.METHOD_OPTIONS} - with_transformer


@pytest.mark.parametrize(
    ("cells", "name"),
    [("family", name) for name in CELLS if CELLS[name].settings]
    + [("family-vit", name) for name in TRANSFORMERS],
)
def test_every_cell_takes_steps_by_the_common_optimiser(cells: str, name: str, noise: Arrays):
    cell = (CELLS if cells == "family" else TRANSFORMERS)[name]
    # Whitening needs more images in a batch than an embedding has dimensions.
    size = 64 if name == "w-mse" else 16
    changes = {"epochs": None, "steps": 2, "batch_size": size, "knn_every": 0, "workers": 1}
    settings = {**family.SHARED, **cell.settings, **changes}
    if "teacher" in cell.settings["method_options"]:  # another cell is that
        assert settings["method_options"]["teacher"] == f"runs/{cells}/moco-v3/seed0"
        settings["method_options"] |= {"teacher": "random:resnet_mini"}
    setup = Setup(Settings(**settings), noise)
    plan = setup.method.optimisation
    transformer = settings["backbone"] == "vit_mini"
    wanted = family.TRANSFORMER if transformer else family.OPTIMISER
    assert {field: getattr(plan, field) for field in wanted} == wanted
    assert wanted | {"lr": family.OPTIMISER["lr"]} == family.OPTIMISER
    before = [weights.clone() for weights in setup.trainer.student.backbone.parameters()]
    for batch in setup.loader.batches(0, 2):
        setup.trainer.take_step([batch], setup.length.progress(setup.trainer.step))
    after = setup.trainer.student.backbone.parameters()
    assert any((a != b).any() for a, b in zip(after, before, strict=True))


def test_a_try_is_kept_apart_from_the_results(monkeypatch: pytest.MonkeyPatch, noise: Arrays):
    small = Grid(name="mini", shared={}, train=noise, test=noise, cells=())
    monkeypatch.setattr(family, "grid", lambda path: small)
    assert family.family(Path()).name == "family"
    assert family.family(Path(), 2).name == "family-2-epochs"
    assert family.family(Path(), 2).shared == family.SHARED | {"epochs": 2}


def test_the_table_of_methods_says_what_each_is():
    rows = {line.split("|")[1].strip(): line for line in family_page.methods().splitlines()}
    assert {*rows} >= {f"`{name}`" for name in METHODS}
    assert "(https://arxiv.org/abs/1505.05192); [in the grid" in rows["`context`"]


def kept(place: Path, name: str, value: float, seconds: float | None = None) -> None:
    score = {"value": value, "interval": [value - 0.05, value + 0.05]}
    content = {
        "cell": name, "seed": 0, "train_processor_seconds": seconds,
        "results": [score | {"protocol": protocol} for protocol in ("knn@1", "linear@1")],
        "settings": {"epochs": 30} if seconds else None,
    }  # fmt: skip
    write(place / f"{name}-seed0.json", content)


def test_the_table_of_scores_has_a_column_for_each_network_and_marks_what_learned_nothing(
    tmp_path: Path,
):
    assert family_page.learned(tmp_path) == "Not measured yet.\n"
    kept(tmp_path / "family", "untrained", 0.3)
    kept(tmp_path / "family", "untrained-vit", 0.5)
    kept(tmp_path / "family", "simclr", 0.5, seconds=600.0)
    kept(tmp_path / "family", "ibot", 0.7, seconds=60.0)  # needs a transformer
    kept(tmp_path / "family-vit", "simclr", 0.59, seconds=120.0)
    made = family_page.learned(tmp_path)
    assert "30 epochs" in made
    assert "±5.0 points" in made
    assert "an untrained `resnet_mini` with 30.0 % (25.0 to 35.0)" in made
    assert "Not measured yet on `resnet_mini`: `moco-v2`, " in made
    assert "Not measured yet: `amdim` with its own encoder." in made
    rows = [line for line in made.splitlines() if line.startswith("| `")]
    assert rows == [
        "| `simclr` | 50.0 | 50.0 |  | *59.0* | *59.0* |  | 10, 2 |",
        "| `ibot` |  |  |  | 70.0 | 70.0 |  | -, 1 |",
    ]
    kept(tmp_path / "family", "amdim-own", 0.8, seconds=60.0)
    kept(tmp_path / "family", "untrained-amdim", 0.2)
    words = (
        "`amdim_mini` has 80.0 % (75.0 to 85.0), 80.0 % (75.0 to 85.0); untrained that has 20"
    )
    assert words in family_page.learned(tmp_path)
    plot = family_page.drawn(tmp_path)
    assert plot.index(">ibot<") < plot.index(">simclr<")
    assert plot.count("stroke-dasharray") == 2
    assert "simclr, vit_mini: 59.0 % (54.0 to 64.0)" in plot
