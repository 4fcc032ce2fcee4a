from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from ilk.core import UserError
from ilk.evaluate import PROTOCOLS, Labelled, Task
from ilk.evaluate.metrics.matching import matched
from ilk.evaluate.protocols.discovery import first_centres, half_told_k_means, share

DISCOVER = PROTOCOLS["discover@1"].procedure


def task(vectors, labels, seed=0):
    train = Labelled(vectors=torch.as_tensor(vectors).float(), labels=torch.as_tensor(labels))
    return Task(train=train, test=train, classes=tuple("abcdefgh"), seed=seed)


def accuracies(truth, clusters, old):
    right = torch.from_numpy(matched(clusters, truth)[clusters] == truth)
    old = torch.from_numpy(old)
    return [share(right, torch.ones_like(old)), share(right, old), share(right, ~old)]


def test_one_assignment_over_all_does_not_flatter():
    """The worked case of the authors' two versions: matched apart, new would score 2/3."""
    truth = np.array([0, 0, 0, 1, 1, 1])
    found = accuracies(truth, np.array([0, 0, 0, 0, 0, 1]), truth == 0)
    assert found == pytest.approx([2 / 3, 1, 1 / 3])


def test_a_single_cluster_does_not_score_one():
    """Matched apart it would score 1 on known and on new classes."""
    truth = np.array([0, 0, 0, 1, 1, 1])
    assert accuracies(truth, np.zeros(6, np.int64), truth == 0) == [0.5, 1.0, 0.0]


def clouds(items=60, classes=6, apart=6.0):
    rng = np.random.default_rng(0)
    labels = np.arange(items * classes) % classes
    return apart * np.eye(12)[labels] + rng.normal(size=(len(labels), 12)), labels


def test_alike_features_score_one_class_of_many():
    _, labels = clouds()
    found = DISCOVER.measure(task(np.ones((360, 12)), labels))
    # all unlabelled items in one cluster: the largest class, a new one, is all that is right
    assert found.value == pytest.approx(60 / 270)
    assert (found.details["old"], found.details["new"]) == (0.0, pytest.approx(1 / 3))


def test_clouds_are_discovered_and_noise_is_not():
    vectors, labels = clouds()
    found = DISCOVER.measure(task(vectors, labels))
    assert found.value > 0.98
    expected = {"classes": 6, "known classes": 3, "labelled": 90, "unlabelled": 270}
    assert expected.items() <= found.details.items()
    assert found.details["unlabelled of known classes"] == 90
    noise = np.random.default_rng(1).normal(size=(360, 12))
    lost = DISCOVER.measure(task(noise, labels))
    assert 1 / 6 < lost.value < 0.35
    assert found.value == pytest.approx(
        (90 * found.details["old"] + 180 * found.details["new"]) / 270
    )


def test_test_items_are_not_looked_at():
    vectors, labels = clouds(apart=3.0)
    given = task(vectors, labels)
    other = replace(given, test=replace(given.test, vectors=-given.test.vectors))
    assert torch.equal(DISCOVER.measure(given).scores, DISCOVER.measure(other).scores)


def slow(rows, marks, centres, steps):
    """An item and a centre at a time."""
    for _ in range(steps):
        clusters = [
            m if m >= 0 else int(np.argmin([((r - c) ** 2).sum() for c in centres]))
            for r, m in zip(rows, marks, strict=True)
        ]
        centres = np.stack(
            [rows[[k == c for c in clusters]].mean(0) for k in range(len(centres))]
        )
    return clusters


def test_half_told_k_means_is_that_of_a_slow_loop():
    vectors, labels = clouds(items=20, apart=2.0)
    rows = F.normalize(torch.from_numpy(vectors).float(), dim=1)
    marks = torch.full((120,), -1)
    marks[:30] = torch.from_numpy(labels[:30])
    marks[marks > 2] = -1
    centres = first_centres(rows, marks, 6, np.random.default_rng(0))
    for known in range(3):
        torch.testing.assert_close(centres[known], rows[marks == known].mean(0))
    assert all((rows[marks < 0] == centre).all(1).any() for centre in centres[3:])
    _, found = half_told_k_means(rows, marks, centres, 2, 0.0)
    expected = slow(rows.double().numpy(), marks.tolist(), centres.double().numpy(), 3)
    assert found.tolist() == expected
    assert torch.equal(found[marks >= 0], marks[marks >= 0])


def test_more_steps_are_tighter():
    vectors, labels = clouds(apart=1.5)
    rows = F.normalize(torch.from_numpy(vectors).float(), dim=1)
    marks = torch.where(torch.arange(360) < 60, torch.from_numpy(labels), -1)
    marks[marks > 2] = -1
    centres = first_centres(rows, marks, 6, np.random.default_rng(0))
    sums = [half_told_k_means(rows, marks, centres, steps, 0.0)[0] for steps in (0, 1, 5, 50)]
    assert sums == sorted(sums, reverse=True)
    assert sums[0] > sums[-1]


def test_a_class_of_one_item_is_never_known():
    vectors = np.eye(4)[[0, 0, 0, 0, 1, 2, 3]]
    for seed in range(5):
        found = DISCOVER.measure(task(vectors, np.array([0, 0, 0, 0, 1, 2, 3]), seed))
        assert found.details["known classes"] == 1
        assert found.details["labelled"] == 2
        assert found.value == 1.0
    with pytest.raises(UserError, match="two train items"):
        DISCOVER.measure(task(np.eye(4), np.arange(4)))
