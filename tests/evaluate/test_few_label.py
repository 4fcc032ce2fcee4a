from dataclasses import replace

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from ilk.evaluate import PROTOCOLS, evaluate
from ilk.evaluate.metrics.labels_needed import Point, answers, crossing
from ilk.evaluate.protocols.draws import ranks
from ilk.evaluate.protocols.propagation import balanced, called, graph, spread

FEW = PROTOCOLS["few-label@1"].procedure
NAMES = ["1 a class", "2 a class", "5 a class", "10 a class", "1 %", "10 %"]


@pytest.fixture(scope="module")
def rows():
    rng = np.random.default_rng(0)
    labels = np.arange(120) % 3
    return torch.from_numpy(2 * np.eye(6)[labels] + rng.normal(size=(120, 6))).float(), labels


def test_spreading_is_a_solved_system(rows):
    """Against the dense formula of Zhou et al."""
    vectors, labels = rows
    joined = graph(vectors[:100], vectors[100:], 5)
    unit = torch.nn.functional.normalize(vectors[:100].double(), dim=1)
    cosines = (unit @ unit.T).numpy()
    np.fill_diagonal(cosines, -np.inf)
    weights = np.zeros((100, 100))
    for row in range(100):
        near = np.argsort(-cosines[row], kind="stable")[:5]
        weights[row, near] = np.maximum(cosines[row, near], 0) ** 3
    weights = weights + weights.T
    roots = np.sqrt(weights.sum(1))
    dense = weights / roots[:, None] / roots[None]
    np.testing.assert_allclose(joined.edges.toarray(), dense, atol=1e-6)
    seeds = np.eye(3)[labels[:100]] * (np.arange(100) < 9)[:, None]
    expected = np.linalg.solve(np.eye(100) - 0.99 * dense, seeds)
    found = spread(joined.edges, seeds, alpha=0.99, tolerance=1e-8, most_steps=500)
    np.testing.assert_allclose(found, expected, atol=1e-5)
    shares = expected / expected.sum(1, keepdims=True)
    outside = torch.nn.functional.normalize(vectors[100:].double(), dim=1) @ unit.T
    slow = []
    for row in outside.numpy():
        near = np.argsort(-row, kind="stable")[:5]
        slow.append(np.argmax((np.maximum(row[near], 0) ** 3) @ shares[near]))
    assert called(joined, found).tolist() == slow


def test_what_no_label_reaches_has_no_class():
    joined = graph(torch.eye(4).repeat_interleave(3, 0), torch.eye(4)[:2], 2)
    seeds = np.zeros((12, 2))
    seeds[0, 1] = 1
    found = spread(joined.edges, seeds, alpha=0.99, tolerance=1e-8, most_steps=50)
    assert called(joined, found).tolist() == [1, -1]
    assert not spread(joined.edges, 0 * seeds, alpha=0.99, tolerance=0.0, most_steps=9).any()


def test_hubs_do_not_take_all():
    """All cosines are high here, so that mass runs to whoever has most neighbours."""
    rng = np.random.default_rng(0)
    labels = np.arange(400) % 4
    rows = torch.from_numpy(3 + 1.5 * np.eye(8)[labels] + 0.7 * rng.normal(size=(400, 8)))
    joined = graph(rows[:300].float(), rows[300:].float(), 20)
    seeds = np.eye(4)[labels[:300]] * (ranks(labels[:300], 0, 0) < 3)[:, None]
    found = spread(joined.edges, seeds, alpha=0.99, tolerance=1e-6, most_steps=200)
    right = [
        (called(joined, reached) == labels[300:]).mean()
        for reached in (found, balanced(found, seeds))
    ]
    assert right[1] > right[0] + 0.1
    shares = balanced(found, seeds).sum(0)
    np.testing.assert_allclose(shares, seeds.sum(0))
    assert not balanced(0 * found, seeds).any()


def test_every_way_is_what_scikit_learn_says(pair):
    train, test = pair(n_train=200, n_test=150, signal=0.7)
    one = replace(FEW, resamples=2)
    (found,) = _measured(one, train, test)
    values = {name: [] for name in ("k-NN", "logistic regression")}
    for resample in range(2):
        drawn = ranks(train.labels, 0, resample) < 10
        x, y = train.vectors[drawn], train.labels[drawn]
        assert np.bincount(y).tolist() == [10] * 4
        knn = KNeighborsClassifier(
            20, metric="cosine", algorithm="brute", weights=lambda d: np.exp((1 - d) / 0.07)
        )
        linear = make_pipeline(StandardScaler(), LogisticRegression(tol=1e-6, max_iter=5000))
        for model, way in ((knn, "k-NN"), (linear, "logistic regression")):
            values[way].append(model.fit(x, y).score(test.vectors, test.labels))
    for way, reached in values.items():
        (point,) = (p for p in found.details["curves"][way] if p["amount"] == "10 a class")
        assert point["labels"] == 40
        assert point["value"] == pytest.approx(np.mean(reached), abs=0.01)
        assert point["low"] < point["value"] < point["high"]


def _measured(procedure, train, test):
    from tests.evaluate.test_protocols import task

    return (procedure.measure(task(train, test)),)


def test_more_labels_are_better_and_unlabelled_images_help(pair):
    train, test = pair(n_train=400, signal=0.9)
    (found,) = evaluate(train, test, ["few-label"])
    curves = found.details["curves"]
    assert list(curves) == ["k-NN", "logistic regression", "label propagation"]
    for points in curves.values():
        assert [point["amount"] for point in points] == NAMES
        assert [point["labels"] for point in points] == [4, 8, 20, 40, 4, 40]
        values = [point["value"] for point in points]
        assert values[0] < values[2] < values[3]
        assert values[0] == values[4], "the same items"
    assert found.metric == "accuracy of logistic regression, 10 a class"
    assert found.value == pytest.approx(curves["logistic regression"][3]["value"])
    assert found.value == pytest.approx(found.scores.mean())
    assert found.selected == {}


def test_draws_are_nested_stratified_and_differ():
    labels = np.repeat([0, 1, 2], [50, 7, 1])
    first, second = ranks(labels, 0, 0), ranks(labels, 0, 1)
    for rank in (first, second):
        for count in (1, 2, 10):
            drawn = np.bincount(labels[rank < count], minlength=3)
            assert drawn.tolist() == [count, min(count, 7), 1]
    assert (first != second).any()
    assert (ranks(labels, 1, 0) != first).any()


def test_labels_needed_are_read_between_points():
    curve = [(10, 0.4), (100, 0.6), (1000, 0.9)]
    assert crossing(curve, 0.5) == pytest.approx(10**1.5)
    assert crossing(curve, 0.4) == 10
    assert crossing(curve, 0.6) == pytest.approx(100)
    assert crossing(curve, 0.95) is None


def test_the_answer_in_words():
    def points(*values):
        return [
            Point(amount="", labels=n, value=v, low=v - 0.1, high=v + 0.1)
            for n, v in zip((100, 1000, 10), values, strict=True)
        ]

    told = answers({"k-NN": points(0.6, 0.79, 0.4), "linear": points(0.78, 0.88, 0.58)})
    assert told == [
        "50 % takes: k-NN about 32 labels (10 to 100), linear 10 labels or fewer",
        "60 % takes: k-NN about 100 labels (32 to 336), linear about 13 labels (10 to 40)",
        "70 % takes: k-NN about 336 labels (100 to more than 1,000), linear about 40 labels"
        " (13 to 158)",
        "80 % takes: k-NN more than 1,000 labels, linear about 158 labels (40 to more than"
        " 1,000)",
        "90 % takes more than 1,000 labels with every classifier",
    ]
