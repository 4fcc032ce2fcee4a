import json
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
import pytest

import ilk
from ilk.core import UserError
from ilk.evaluate import PROTOCOLS, evaluate, wilson


def test_results_say_all_that_is_needed_to_repeat_them(pair):
    train, test = pair(signal=0.7)
    told = []
    results = evaluate(train, test, seed=3, progress=lambda *now: told.append(now))
    assert [result.protocol for result in results] == ["knn@1", "linear@1"]
    assert told == [(1, 2), (2, 2)]
    for result in results:
        found = json.loads(result.to_json())
        assert found["protocol_hash"] == PROTOCOLS[result.protocol].hash
        assert found["settings"]["held_out"] == 0.2
        assert found["metric"] == "top-1 accuracy"
        assert found["value"] == result.correct.mean() == pytest.approx(result.value)
        assert found["interval"] == list(wilson(int(result.correct.sum()), 300))
        assert "Wilson" in found["interval_kind"]
        assert "held-out train" in found["selected_on"]
        assert (found["seed"], found["encoder"]) == (3, "c0de")
        assert (found["train_data"], found["test_data"]) == ("train", "test")
        assert (found["n_train"], found["n_test"], found["classes"]) == (400, 300, 4)
        assert found["seconds"] >= 0
        age = datetime.now(UTC) - datetime.fromisoformat(found["date"])
        assert 0 <= age.total_seconds() < 60
        assert found["version"] == ilk.__version__
        assert "correct" not in found
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
        assert np.array_equal(ours.correct, theirs.correct)


def test_items_without_a_label_are_left_out(pair):
    train, test = pair()
    labels = test.labels.copy()
    labels[::3] = -1
    known = labels >= 0
    (result,) = evaluate(train, replace(test, labels=labels), protocols=["knn"])
    (whole,) = evaluate(train, test, protocols=["knn"])
    assert result.n_test == known.sum()
    assert np.array_equal(result.correct, whole.correct[known])


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
        "must name their classes alike, train has 'ant', 'bee', 'cat', 'dog' and test 'n01'",
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
    evaluate(train, test, protocols=["knn"])  # 0.png in two folders: other pictures
    vectors = test.vectors.copy()
    vectors[[5, 8]] = train.vectors[[5, 8]] + 1e-6
    with pytest.raises(UserError, match=r"2 of 300 test images are in train too, first 5.png"):
        evaluate(train, replace(test, vectors=vectors))
    collapsed = [replace(part, vectors=np.ones_like(part.vectors)) for part in (train, test)]
    evaluate(*collapsed, protocols=["knn"])  # tells nothing about the pictures
