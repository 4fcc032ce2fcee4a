"""Methods that need to know the data: its size, its labels."""

from dataclasses import replace

import pytest

from ilk.core import UNKNOWN, UserError
from ilk.data import Arrays
from ilk.train import train
from ilk.train.assemble import head_parameters
from ilk.train.planning.facts import Facts
from ilk.train.planning.machine import Memory
from ilk.train.planning.room import check_weights
from ilk.train.records.checkpoint import load
from ilk.train.run import CHECKPOINT
from ilk.train.setup import Setup
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


def test_the_head_of_diet_has_a_row_for_each_image_and_learns_its_number(tiny, pictures):
    settings = tiny(method="diet", mix=None, method_options={"warmup_epochs": 1}, steps=4)
    setup = Setup(settings, Arrays(*pictures))
    assert setup.trainer.student.classifier.weight.shape == (32, 16)
    (batch,) = setup.loader.batches(0, 1)
    context = setup.trainer.take_step([batch], setup.length.progress(0)).context
    (kin_record,) = context.kin_records
    own = kin_record.kin.weights.argmax(dim=1)
    assert own.tolist() == batch.items.tolist()
    assert kin_record.kin.weights[0, own[0]] == pytest.approx(0.2 + 0.8 / 32)


def test_heads_are_counted_without_being_made(tiny):
    settings = tiny(method="diet", mix=None, method_options={})
    assert head_parameters(settings, 999_999, 0) == 16 * 999_999
    with pytest.raises(UserError, match="row for each item must have 1,000,000 at most"):
        head_parameters(settings, 10**9, 0)


def test_a_head_larger_than_memory_is_refused_before_it_is_made(tiny):
    settings, memory = tiny(method="diet", mix=None), Memory(free=2**30, total=2**31, held=0)
    facts = Facts(images=32, side=32, device="cpu", parameters=10_000, learning=10_000)
    with pytest.raises(UserError) as error:
        check_weights(settings, facts, 10**9, memory)
    assert str(error.value) == (
        "memory: weights, gradients and optimiser of resnet_mini with the heads of diet need "
        "18.6 GiB, but 1.0 GiB are free; take smaller heads, another method or fewer images"
    )


def test_what_is_frozen_needs_no_gradient_and_no_moments(tiny):
    settings, memory = tiny(mix=None), Memory(free=9 * 10**9, total=2**40, held=0)
    facts = Facts(images=32, side=32, device="cpu", parameters=10**9, learning=10**8)
    check_weights(settings, facts, 0, replace(memory, free=2 * 4 * 10**9 + 3 * 4 * 10**8))
    with pytest.raises(UserError, match="8.6 GiB, but 8.4 GiB are free; take a smaller"):
        check_weights(settings, facts, 0, memory)
