"""Accuracy by class and confusions."""

import json

import numpy as np
import torch

from ilk.evaluate import evaluate
from ilk.evaluate.metrics.confusion import by_class
from tests.evaluate.conftest import make_pair


def test_confusions_by_hand():
    labels = torch.tensor([0, 0, 0, 1, 1, 2])
    found = torch.tensor([0, 1, 1, 1, 0, 2])
    told = by_class(found, labels, ("a", "b", "c", "unused"))
    assert told["by class"] == [
        {"name": "a", "images": 3, "correct": 1},
        {"name": "b", "images": 2, "correct": 1},
        {"name": "c", "images": 1, "correct": 1},
    ]
    assert told["confused"] == [
        {"true": "a", "predicted": "b", "images": 2},
        {"true": "b", "predicted": "a", "images": 1},
    ]
    assert told["confusion"]["images"][0] == [1, 2, 0, 0]
    json.dumps(told)


def test_many_classes_keep_no_whole_matrix():
    labels = torch.arange(40)
    told = by_class(labels.flip(0), labels, [str(c) for c in range(40)])
    assert "confusion" not in told
    assert len(told["confused"]) == 20
    assert all(entry["correct"] == 0 for entry in told["by class"])


def test_protocols_say_which_classes_they_find():
    train, test = make_pair(n_train=80, n_test=60)
    for result in evaluate(train, test, ["knn", "linear"]):
        rows = result.details["by class"]
        assert sum(row["images"] for row in rows) == 60
        assert sum(row["correct"] for row in rows) == result.scores.sum()
        matrix = np.array(result.details["confusion"]["images"])
        assert matrix.sum() == 60
        assert np.trace(matrix) == result.scores.sum()


def test_it_is_what_the_whole_matrix_says_and_needs_none():
    drawn = np.random.default_rng(0).integers(0, 12, (2, 500))
    labels, found = (torch.from_numpy(part) for part in drawn)
    confusions = by_class(found, labels, [str(c) for c in range(12)])
    matrix = np.zeros((12, 12), int)
    np.add.at(matrix, tuple(drawn), 1)
    assert confusions["confusion"]["images"] == matrix.tolist()
    often = [entry["images"] for entry in confusions["confused"]]
    off = matrix[~np.eye(12, dtype=bool)]
    assert often == sorted(off.tolist(), reverse=True)[:20]
    for entry in confusions["confused"]:
        assert entry["images"] == matrix[int(entry["true"]), int(entry["predicted"])]
    # The whole matrix of these would take 29 GB.
    names = [str(c) for c in range(60_002)]
    confusions = by_class(torch.tensor([60_001, 3]), torch.tensor([60_000, 3]), names)
    assert [row["name"] for row in confusions["by class"]] == ["3", "60000"]
    assert confusions["confused"] == [{"true": "60000", "predicted": "60001", "images": 1}]


def test_numbers_of_classes_may_be_ids():
    train, test = make_pair(n_train=80, n_test=60)
    plain = evaluate(train, test, ["knn", "linear"])
    for part in (train, test):
        object.__setattr__(part, "labels", part.labels + 60_000)
        object.__setattr__(part, "classes", tuple(map(str, range(60_004))))
    for before, after in zip(plain, evaluate(train, test, ["knn", "linear"]), strict=True):
        assert (before.value, before.details["confusion"]["images"]) == (
            after.value, after.details["confusion"]["images"],
        )  # fmt: skip
        assert after.details["by class"][0]["name"] == "60000"
