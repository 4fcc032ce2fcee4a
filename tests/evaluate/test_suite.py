import json
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
import pytest
import torch

import ilk
from ilk.core import UserError
from ilk.data import BadItem, open_source
from ilk.embedding import embed
from ilk.evaluate import (
    PROTOCOLS,
    Images,
    Measured,
    Protocol,
    clopper_pearson,
    evaluate,
    raw_pixels,
    top1,
)


def test_results_say_all_that_is_needed_to_repeat_them(pair):
    train, test = pair(signal=0.7)
    results = evaluate(train, test, seed=3)
    assert [result.protocol for result in results] == ["knn@1", "linear@1"]
    for result in results:
        found = json.loads(result.to_json())
        assert found["protocol_hash"] == PROTOCOLS[result.protocol].hash
        assert found["settings"]["held_out"] == 0.2
        assert found["metric"] == "top-1 accuracy"
        assert found["value"] == result.scores.mean() == pytest.approx(result.value)
        assert found["interval"] == list(clopper_pearson(int(result.scores.sum()), 300))
        assert "Clopper-Pearson" in found["interval_kind"]
        assert "held-out train" in found["selected_on"]
        assert (found["seed"], found["encoder"]) == (3, "c0de")
        assert (found["train_data"], found["test_data"]) == ("train", "test")
        assert (found["n_train"], found["n_test"], found["classes"]) == (400, 300, 4)
        assert found["seconds"] >= 0
        age = datetime.now(UTC) - datetime.fromisoformat(found["date"])
        assert 0 <= age.total_seconds() < 60
        assert found["version"] == ilk.__version__
        assert "scores" not in found
    assert list(results[0].selected) == ["k"]
    assert list(results[1].selected) == ["strength"]


def test_only_what_is_asked_for(pair):
    (result,) = evaluate(*pair(), protocols=["linear"])
    assert result.protocol == "linear@1"
    with pytest.raises(UserError, match="got 'probe'"):
        evaluate(*pair(), protocols=["knn", "probe"])


def test_classes_are_matched_by_name(pair):
    train, test = pair(signal=2.0)
    order = [2, 0, 3, 1]  # test numbers its classes otherwise, and knows one more
    names = (*(test.classes[old] for old in order), "unseen")
    renumbered = replace(
        test, classes=names, labels=np.argsort(order).astype(np.int64)[test.labels]
    )
    assert not np.array_equal(renumbered.labels, test.labels)
    for ours, theirs in zip(evaluate(train, renumbered), evaluate(train, test), strict=True):
        assert np.array_equal(ours.scores, theirs.scores)


def test_items_without_a_label_are_left_out(pair):
    train, test = pair()
    labels = test.labels.copy()
    labels[::3] = -1
    known = labels >= 0
    (result,) = evaluate(train, replace(test, labels=labels), protocols=["knn"])
    (whole,) = evaluate(train, test, protocols=["knn"])
    assert result.n_test == known.sum()
    assert np.array_equal(result.scores, whole.scores[known])


def test_labels_without_names_are_their_numbers(pair):
    train, test = (replace(part, classes=()) for part in pair())
    (result,) = evaluate(train, test, protocols=["knn"])
    assert result.classes == 4


def test_read_only_vectors_are_fine(pair):
    train, test = pair()
    train.vectors.flags.writeable = False
    assert evaluate(train, test, protocols=["knn"])[0].n_train == 400


def without_class(part, label, instead):
    labels = part.labels.copy()
    labels[labels == label] = instead
    return {"labels": labels}


def with_nan(part):
    vectors = part.vectors.copy()
    vectors[7, 2], vectors[9, 0] = np.nan, np.inf
    return {"vectors": vectors}


def empty(part):
    return {"vectors": part.vectors[:0], "labels": part.labels[:0], "keys": part.keys[:0]}


CASES = {
    "a class missing from train": (
        "train", lambda p: without_class(p, 2, 1), "class of test must be in train, 'cat' not",
    ),
    "a class that only test has": (
        "test", lambda p: {"classes": ("ant", "bee", "cow", "dog")},
        r"every class of test must be in train, 'cow' not \(1 of 4\)",
    ),
    "other names": (
        "test", lambda p: {"classes": ("n01", "n02", "n03", "n04")},
        "must have the same class names, train has 'ant', 'bee', 'cat', 'dog' and test 'n01'",
    ),
    "test with one class": (
        "test", lambda p: {"labels": np.full_like(p.labels, 2)},
        "test must have two classes or more, got 'cat' only",
    ),
    "NaN in train": (
        "train", with_nan, "features must be finite, 2 of 400 train images .* first train/7",
    ),
    "NaN in test": ("test", with_nan, "2 of 300 test images have NaN or infinity"),
    "no labels": (
        "test", lambda p: {"labels": np.full_like(p.labels, -1)}, "test must have labels",
    ),
    "empty train": ("train", empty, "train must hold images, it is empty"),
    "empty test": ("test", empty, "test must hold images, it is empty"),
    "another encoder": ("test", lambda p: {"encoder": "beef"}, "must come from one encoder"),
    "another width": (
        "test", lambda p: {"vectors": p.vectors[:, :3].copy()}, "must come from one encoder",
    ),
    "the same set": (
        "test", lambda p: {"data": "train"}, "must not share images, 300 of 300",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_what_cannot_be_compared_is_refused_in_one_line(pair, case):
    part, changes, message = CASES[case]
    train, test = pair()
    if part == "train":
        train = replace(train, **changes(train))
    else:
        test = replace(test, **changes(test))
    with pytest.raises(UserError, match=message) as raised:
        evaluate(train, test)
    assert "\n" not in str(raised.value)
    assert str(raised.value).startswith("evaluate: ")


def test_images_in_both_sets_are_refused_but_equal_names_are_not(pair):
    train, test = pair()
    keys = [f"{row}.png" for row in range(400)]
    train = replace(train, keys=pa.array(keys, pa.large_string()))
    test = replace(test, keys=pa.array(keys[:300], pa.large_string()))
    evaluate(train, test, protocols=["knn"])  # 0.png in two folders: other images
    vectors = test.vectors.copy()
    vectors[[5, 8]] = train.vectors[[5, 8]] + 1e-6
    with pytest.raises(UserError, match=r"2 of 300 test images are in train too, first 5.png"):
        evaluate(train, replace(test, vectors=vectors))
    collapsed = [replace(part, vectors=np.ones_like(part.vectors)) for part in (train, test)]
    evaluate(*collapsed, protocols=["knn"])  # tells nothing about the images


@dataclass(frozen=True)
class Looks:
    """Remembers what it was given."""

    width: int = 3

    def measure(self, task):
        given.append(task)
        return top1(torch.ones(len(task.test)), {}, "nothing")


given = []


@pytest.fixture
def looks(monkeypatch):
    """A way to add a protocol that remembers the tasks it was given."""
    given.clear()

    def add(*needs, gallery=False):
        made = Protocol(
            name="looks@1", procedure=Looks(), needs=frozenset(needs), takes_gallery=gallery
        )
        monkeypatch.setitem(PROTOCOLS, "looks@1", made)

    return add


def test_a_protocol_gets_what_it_needs_and_no_more(pair, looks):
    train, test = pair()
    test = replace(test, labels=np.where(np.arange(300) % 3, test.labels, -1))
    looks()
    (result,) = evaluate(train, test, ["looks"], gallery=train)
    assert (len(given[-1].train), len(given[-1].test)) == (0, 300)
    assert given[-1].gallery is None
    assert result.train_data == result.gallery_data == ""
    unlabelled = replace(test, labels=np.full(300, -1), classes=())
    evaluate(None, unlabelled, ["looks"])
    looks("labels", gallery=True)
    (result,) = evaluate(None, test, ["looks"], gallery=train)
    assert (len(given[-1].train), len(given[-1].test)) == (0, 200)
    assert len(given[-1].gallery) == 400
    assert (result.n_train, result.classes, result.gallery_data) == (0, 4, "train")
    looks("train", "labels")
    with pytest.raises(UserError, match="looks@1 needs labelled images to train on"):
        evaluate(None, test, ["looks"])
    looks("images")
    with pytest.raises(UserError, match="looks@1 needs an encoder and its images, got vectors"):
        evaluate(train, test, ["looks"])


def test_images_stand_beside_their_rows_whatever_was_unreadable_or_unlabelled(looks):
    looks("train", "labels", "images")
    pictures = np.random.default_rng(0).integers(0, 256, (30, 4, 4, 3), dtype=np.uint8)
    labels = np.arange(30) % 3 - 1  # every third is not labelled
    sources = [
        Broken(open_source((pictures[part], labels[part])), frozenset(bad))
        for part, bad in ((slice(0, 16), {1, 4}), (slice(16, 30), {0, 3, 13}))
    ]
    encoder = raw_pixels(4)
    train, test = (embed(encoder, source) for source in sources)
    images = Images(encoder=encoder, train=sources[0], test=sources[1])
    evaluate(train, test, ["looks"], images=images)
    (task,) = given
    assert task.images.encoder is encoder
    for source, part in ((task.images.train, task.train), (task.images.test, task.test)):
        assert len(source) == len(part) > 5
        for row in range(len(part)):
            vector = source.item(row).transpose(2, 0, 1).ravel() / 255
            np.testing.assert_allclose(part.vectors[row].numpy(), vector, atol=1e-6)
            assert source.label(row) == part.labels[row]


def test_progress_reaches_the_protocol(pair, looks):
    looks()
    told = []
    evaluate(*pair(), ["looks"], progress=lambda *now: told.append(now))
    given[-1].tell(2, 5)
    assert told == [(2, 5)]


def test_protocols_without_scores_or_interval(pair, monkeypatch):
    class Rank(Looks):
        def measure(self, task):
            return Measured(
                metric="rank", value=12.5, interval=None, interval_kind="none: one set",
                selected={}, selected_on="nothing", scores=None, unit="",
                details={"dims": 12},
            )  # fmt: skip

    made = Protocol(name="rank@1", procedure=Rank(), needs=frozenset())
    monkeypatch.setitem(PROTOCOLS, "rank@1", made)
    (result,) = evaluate(*pair(), ["rank"])
    assert result.bounds == (12.5, 12.5)
    found = json.loads(result.to_json())
    assert (found["interval"], found["unit"], found["details"]) == (None, "", {"dims": 12})


class Broken:
    """A source some of whose items cannot be read."""

    def __init__(self, source, bad):
        self.source, self.bad = source, bad
        self.name, self.classes = source.name, source.classes
        self.fingerprint = source.fingerprint

    def __len__(self):
        return len(self.source)

    def item(self, index):
        if index in self.bad:
            raise BadItem("truncated")
        return self.source.item(index)

    def label(self, index):
        return self.source.label(index)

    def key(self, index):
        return self.source.key(index)
