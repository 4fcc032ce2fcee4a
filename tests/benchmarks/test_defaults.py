"""What a method's name alone gives is tried for every method, on images of no other table."""

import numpy as np

from benchmarks import defaults, mini
from benchmarks.family import METHOD_OPTIONS
from benchmarks.grid import opened
from ilk.data import Subset

CELLS = {cell.name: cell for cell in defaults.cells()}


def test_every_method_is_tried_by_its_name_alone():
    names = {name for name in METHOD_OPTIONS if name not in defaults.TAUGHT}
    assert {name for name in names if CELLS[name].settings == {"method": name}} == names
    assert len(CELLS) == sum(1 for _ in defaults.cells())
    half = CELLS["mae-half"].settings
    assert half == {"method": "mae", "lr": 2e-3}  # of 4e-3, which 128 images have
    assert {name for name in CELLS if name.startswith("mae-vit")} == set()


def test_no_image_of_it_is_reported_on_elsewhere(shared_data):
    path = shared_data("cifar10-20k.parquet")
    grid, other = defaults.defaults(path), mini.grid(path)
    parts = [one.chosen for one in (grid.train, grid.test, other.train)
             if isinstance(one, Subset)]  # fmt: skip
    assert [len(part) for part in parts] == [8_000, 2_000, 10_000]
    assert len(np.unique(np.concatenate(parts))) == len(opened(path, "train")) == 20_000
