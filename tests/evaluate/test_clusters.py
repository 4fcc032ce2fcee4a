from itertools import permutations

import numpy as np
import pytest
import torch
from sklearn.cluster import KMeans
from sklearn.datasets import load_digits
from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score

from ilk.core import UserError
from ilk.evaluate import PROTOCOLS, Labelled, Task, evaluate
from ilk.evaluate.metrics.matching import matched


def task(vectors, labels, seed=0):
    test = Labelled(vectors=torch.tensor(vectors).float(), labels=torch.tensor(labels).long())
    empty = test.where(torch.zeros(len(test), dtype=torch.bool))
    return Task(train=empty, test=test, classes=("a", "b", "c", "d"), seed=seed)


@pytest.mark.parametrize("seed", range(5))
def test_the_assignment_is_the_best_of_all(seed):
    rng = np.random.default_rng(seed)
    labels, clusters = rng.integers(0, 4, 30), rng.integers(0, 4, 30)
    labels[:4] = clusters[:4] = range(4)
    best = max((np.array(p)[clusters] == labels).sum() for p in permutations(range(4)))
    classes = matched(clusters, labels)
    assert sorted(classes) == [0, 1, 2, 3]
    assert (classes[clusters] == labels).sum() == best


def test_clusters_left_over_stand_for_no_class():
    classes = matched(np.array([0, 0, 1, 2, 2]), np.array([1, 1, 1, 0, 0]))
    assert classes.tolist() == [1, -1, 0]


def test_agrees_with_scikit_learn_on_digits(embeddings):
    vectors, labels = load_digits(return_X_y=True)
    test = embeddings(vectors[:500], labels[:500], "test", classes=tuple("0123456789"))
    (found,) = evaluate(None, test, ["cluster"])
    rows = test.vectors / np.linalg.norm(test.vectors, axis=1, keepdims=True)
    nmi, ari, right = [], [], []
    for seed in range(10):
        clusters = KMeans(10, n_init=1, random_state=seed).fit_predict(rows).astype(int)
        nmi.append(normalized_mutual_info_score(labels[:500], clusters))
        ari.append(adjusted_rand_score(labels[:500], clusters))
        right.append((matched(clusters, labels[:500])[clusters] == labels[:500]).mean())
    assert found.details["NMI"] == pytest.approx(np.mean(nmi), abs=0.01)
    assert found.details["ARI"] == pytest.approx(np.mean(ari), abs=0.01)
    assert found.value == pytest.approx(np.mean(right), abs=0.01)
    assert found.value == pytest.approx(found.scores.mean())
    assert found.interval[0] < found.value < found.interval[1]
    assert 0.5 < found.value < 0.95


def clouds(classes, apart=8.0, items=40):
    rng = np.random.default_rng(0)
    labels = np.arange(classes * items) % classes
    return apart * np.eye(8)[labels] + rng.normal(size=(len(labels), 8)), labels


@pytest.mark.parametrize("classes", [3, 4])
def test_the_number_of_clouds_is_found_without_labels(classes):
    vectors, labels = clouds(classes)
    measure = PROTOCOLS["cluster-free@1"].procedure.measure
    found = measure(task(vectors, labels))
    assert found.selected == {"k": classes}
    assert found.value > 0.98
    assert "no label" in found.selected_on
    shuffled = np.random.default_rng(1).permutation(labels)
    other = measure(task(vectors, shuffled))
    assert (other.selected, other.selected_on) == (found.selected, found.selected_on)
    assert other.value < 0.6
    assert abs(other.details["ARI"]) < 0.05


def test_noise_is_near_chance_and_alike_items_are_one_cluster():
    rng = np.random.default_rng(0)
    labels = np.arange(400) % 4
    measure = PROTOCOLS["cluster@1"].procedure.measure
    noise = measure(task(rng.normal(size=(400, 16)), labels))
    assert 0.25 < noise.value < 0.40
    assert abs(noise.details["ARI"]) < 0.02
    alike = measure(task(np.ones((400, 16)), labels))
    assert alike.value == 0.25
    with pytest.raises(UserError, match="five test items that differ"):
        PROTOCOLS["cluster-free@1"].procedure.measure(task(np.ones((400, 16)), labels))
