"""The map of regimes: settings are chosen on other images and seeds than are reported."""

import json

import pytest

from benchmarks.grid import packed, unpacked
from benchmarks.regimes import IMAGES, SEEN, WARM, choices, lasting, regimes
from ilk.evaluate import evaluate
from ilk.train import Settings
from tests.evaluate.conftest import make_pair


@pytest.fixture
def grids(shared_data):
    path = shared_data("cifar10-20k.parquet")
    return regimes(path), choices(path)


def test_choosing_sees_no_image_that_is_reported(grids):
    reported, choosing = grids
    centre = next(cell for cell in reported.cells if cell.name == "moco-v3-centre-none")
    learned = set(centre.images.chosen.tolist())
    tried = next(cell for cell in choosing.cells if cell.settings)
    assert len(learned) == len(tried.images) == IMAGES
    assert not learned & set(tried.images.chosen.tolist())
    assert not set(tried.images.chosen.tolist()) & set(choosing.test.chosen.tolist())
    assert not set(choosing.train.chosen.tolist()) & set(choosing.test.chosen.tolist())
    assert not learned & set(choosing.test.chosen.tolist())
    assert choosing.first_seed >= 100


def test_every_cell_can_be_run(grids):
    for grid in grids:
        names = [cell.name for cell in grid.cells]
        assert len(set(names)) == len(names)
        for cell in grid.cells:
            if cell.settings:
                Settings(seed=0, **{**grid.shared, **cell.settings})


def test_runs_of_every_size_warm_up_for_the_same_steps():
    small, large = lasting({}, 2_000, SEEN), lasting({}, 10_000, SEEN)
    assert small["steps"] == large["steps"] == SEEN // 128
    for found, count in ((small, 2_000), (large, 10_000)):
        warm = found["method_options"]["warmup_epochs"] * count / 128
        assert warm == pytest.approx(WARM * SEEN / 128, rel=0.01)


def test_scores_of_items_come_back_from_json():
    train, test = make_pair(n_train=40, n_test=37)
    (result,) = evaluate(train, test, ["knn"])
    kept = json.loads(json.dumps(result.to_dict() | {"right": packed(result)}))
    assert (unpacked(kept) == result.scores).all()
    assert unpacked(kept).mean() == pytest.approx(result.value)
