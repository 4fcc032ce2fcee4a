"""Methods that need to know the data: its size, its labels."""

import pytest

from ilk.core import UNKNOWN, UserError
from ilk.train import train
from ilk.train.records.checkpoint import load
from ilk.train.run import CHECKPOINT
from tests.train.conftest import Witness

SUPCON = {"method": "supcon", "mix": None, "method_options": {"hidden": 16, "dim": 8}}


def test_memories_with_an_entry_per_item_have_the_size_of_the_data(tiny, pictures, tmp_path):
    options = {"hidden": 16, "dim": 8, "clusters": 4, "local_views": 1}
    settings = tiny(method="deepcluster-v2", mix=None, method_options=options)
    train(settings, pictures, tmp_path / "run", Witness())
    state = load(tmp_path / "run" / CHECKPOINT)[0]
    labels = state["memory.clusters1.labels"]
    assert len(labels) == 32
    assert (labels != UNKNOWN).all()  # seen in the first epoch, clustered in the second
    assert labels.max() < 4
    assert state["memory.bank-g1.sources"].tolist() == list(range(32))


def test_more_clusters_than_pictures_are_refused(tiny, pictures, tmp_path):
    options = {"hidden": 16, "dim": 8, "clusters": 3000}
    settings = tiny(method="deepcluster-v2", mix=None, method_options=options)
    with pytest.raises(UserError, match="no more than the 32 images, got 3000"):
        train(settings, pictures, tmp_path / "run", Witness())


def test_a_method_by_labels_needs_some(tiny, pictures, tmp_path):
    with pytest.raises(UserError, match="supcon as set must have those of some images"):
        train(tiny(**SUPCON), pictures[0], tmp_path / "run", Witness())


def test_labels_of_the_data_reach_the_loss(tiny, pictures, tmp_path):
    images, labels = pictures
    weights = {}
    for name, known in (("right", labels), ("other", labels[::-1] // 2)):
        train(tiny(**SUPCON), (images, known.copy()), tmp_path / name, Witness())
        weights[name] = load(tmp_path / name / CHECKPOINT)[0]["student.projector.0.weight"]
    assert not weights["right"].equal(weights["other"])
