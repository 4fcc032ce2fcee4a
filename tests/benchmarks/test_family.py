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
    assert [*CELLS] == ["pixels", "untrained", "untrained-vit", *family.METHOD_OPTIONS]


@pytest.fixture(scope="module")
def noise() -> Arrays:
    chance = np.random.default_rng(0)
    images = chance.integers(0, 256, (256, 32, 32, 3)).astype(np.uint8)
    return Arrays(images, np.arange(256) % 10)


def test_every_method_meets_both_networks_where_it_can():
    with_transformer = {name for name, own in family.BACKBONES.items() if "backbone" in own}
    assert with_transformer == {"mae", "ibot", "dinov2", "i-jepa"}
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
    if "teacher" in family.METHOD_OPTIONS[name]:  # another cell is that
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


def test_the_table_of_methods_has_scores_where_there_are_runs(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    monkeypatch.setattr(family_page, "RESULTS", tmp_path)
    assert "| name | what it is | paper | needs |\n" in family_page.methods()
    score = {"protocol": "knn@1", "value": 0.5, "interval": [0.45, 0.55]}
    for name, seconds in (("simclr", 600.0), ("pixels", None)):
        settings = {"epochs": 30} if seconds else None
        content = {"cell": name, "seed": 0, "train_processor_seconds": seconds,
                   "results": [score], "settings": settings}  # fmt: skip
        write(tmp_path / "family" / f"{name}-seed0.json", content)
    made = family_page.methods()
    assert "30 epochs" in made
    assert "To be beaten: 50.0 % (45.0 to 55.0) by raw pixels" in made
    rows = {line.split("|")[1].strip(): line for line in made.splitlines() if "|" in line}
    assert rows["`simclr`"].endswith("| 50.0 % (45.0 to 55.0) | 10 |")
    assert rows["`byol`"].endswith("|  |  |")
    assert "(https://arxiv.org/abs/1505.05192); [in the grid" in rows["`context`"]
    assert rows["`i-mix`"].endswith("|  |  |")
