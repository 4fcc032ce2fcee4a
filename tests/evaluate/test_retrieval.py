import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits

from ilk.core import UserError
from ilk.evaluate import PROTOCOLS, Labelled, Task, evaluate
from tests.evaluate.references import average_precision, interpolated_precision


@pytest.fixture(scope="module")
def digits():
    vectors, labels = load_digits(return_X_y=True)
    return vectors[:700].astype(np.float32), labels[:700].astype(np.int64)


def slow(queries, gallery, itself):
    """One ranking after another."""
    rows = []
    unit = [v / np.linalg.norm(v, axis=1, keepdims=True) for v in (queries[0], gallery[0])]
    for row, label in enumerate(queries[1]):
        order = np.argsort(-(unit[1] @ unit[0][row]), kind="stable")
        order = order[order != row] if itself else order
        relevant = gallery[1][order] == label
        total = int(relevant.sum())
        rows.append(
            [
                average_precision(relevant, total),
                interpolated_precision(np.flatnonzero(relevant), total),
                average_precision(relevant, total, 10),
                float(relevant[:5].any()),
            ]
        )
    return np.array(rows)


@pytest.mark.parametrize("separate", [False, True])
def test_agrees_with_a_slow_loop_on_digits(digits, embeddings, separate):
    vectors, labels = digits
    names = tuple("0123456789")
    cut = 200 if separate else 400
    test = embeddings(vectors[:cut], labels[:cut], "test", classes=names)
    gallery = embeddings(vectors[400:], labels[400:], "more", classes=names)
    (found,) = evaluate(None, test, ["retrieval"], gallery=gallery if separate else None)
    parts = (vectors[:cut], labels[:cut])
    expected = slow(parts, (vectors[400:], labels[400:]) if separate else parts, not separate)
    np.testing.assert_allclose(found.scores, expected[:, 0], atol=2e-3)
    means = expected.mean(0)
    assert found.value == pytest.approx(means[0], abs=1e-4)
    for name, mean in zip(("interpolated mAP", "mAP@10", "recall@5"), means[1:], strict=True):
        assert found.details[name] == pytest.approx(mean, abs=1e-4)
    assert found.interval[0] < found.value < found.interval[1]
    assert "n-s score" not in found.details


def measure(vectors, labels):
    items = Labelled(vectors=torch.tensor(vectors).float(), labels=torch.tensor(labels))
    empty = items.where(torch.zeros(len(items), dtype=torch.bool))
    task = Task(train=empty, test=items, classes=("a", "b"), seed=0)
    return PROTOCOLS["retrieval@1"].procedure.measure(task)


def test_the_score_of_four_pictures_an_object():
    apart = np.repeat(np.eye(2), 4, 0)
    labels = np.repeat([0, 1], 4)
    found = measure(apart, labels)
    assert (found.value, found.details["n-s score"]) == (1.0, 4.0)
    mixed = apart.copy()
    mixed[[3, 7]] = mixed[[7, 3]]  # the fourth image of either looks like the other object
    # the first three find two of three, the fourth finds none: 1 + (3 * 2 + 0) / 4
    assert measure(mixed, labels).details["n-s score"] == pytest.approx(2.5)


def test_items_alone_in_their_class_are_no_queries():
    found = measure([[1, 0], [1, 0.1], [0, 1]], [0, 0, 1])
    assert found.details["queries"] == len(found.scores) == 2
    assert found.value == 1.0
    with pytest.raises(UserError, match="two items of a class"):
        measure([[1, 0], [0, 1]], [0, 1])
