"""The moons, the labels and the map of the benchmark are what it says they are."""

import json

import numpy as np
import torch
from torch import nn

from benchmarks import two_moons
from benchmarks.two_moons import FILE, METHODS, drawing, known_labels, moons, regions


class Left(nn.Module):
    """Holds points on the right for the second moon."""

    def forward(self, points: torch.Tensor) -> torch.Tensor:
        return 100 * torch.stack([-points[:, 0], points[:, 0]], dim=1)


def test_both_moons_have_as_many_points_and_labels():
    chance = np.random.default_rng(0)
    points, classes = moons(500, chance)
    labels = known_labels(classes, chance)
    assert np.bincount(classes).tolist() == [250, 250]
    assert np.bincount(labels + 1).tolist() == [490, 5, 5]
    assert (labels[labels >= 0] == classes[labels >= 0]).all()
    assert np.abs(points.mean(axis=0)).max() < 0.05


def test_the_map_has_the_left_on_the_left():
    rows = regions(Left())
    half = two_moons.WIDTH // 2
    assert rows == ["0" * half + "9" * half] * two_moons.HEIGHT
    sheet = drawing({"left": {"regions": rows, "mean": 0.5}}, across=1)
    left, right = (sheet.getpixel((x, sheet.height - 9)) for x in (2, sheet.width - 3))
    assert left[2] > left[0]  # blue
    assert right[0] > right[2]  # orange


def test_steps_of_every_method_can_be_taken(monkeypatch):
    monkeypatch.setattr(two_moons, "STEPS", 2)
    for name in METHODS:
        assert 0 <= two_moons.error(two_moons.trained(name, 0), 0) <= 1


def test_what_was_measured_is_of_all_methods_and_beats_labels_alone():
    found = json.loads(FILE.read_text())["methods"]
    assert set(found) == set(METHODS)
    alone = found["supervised"]["mean"]
    for name in ("pi-model", "mean-teacher", "vat"):
        assert found[name]["mean"] < alone
