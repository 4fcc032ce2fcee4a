from dataclasses import replace

import numpy as np
import pytest
import torch

from ilk.core import UserError
from ilk.data import open_source
from ilk.embedding import embed
from ilk.evaluate import evaluate, near_duplicates, raw_pixels


@pytest.fixture
def pictures():
    return np.random.default_rng(0).integers(0, 256, (40, 8, 8, 3), dtype=np.uint8)


def test_the_same_bytes_are_refused_under_any_name(pictures):
    labels = np.arange(40) % 2
    rows = np.r_[25:40, 3, 17]  # the last two are in train too
    train = open_source((pictures[:25], labels[:25]))
    test = open_source((pictures[rows], labels[rows]))
    encoder = raw_pixels(8)
    with pytest.raises(UserError, match=r"2 of 17 test images are in train too, first 15;"):
        evaluate(embed(encoder, train), embed(encoder, test), ["knn"])
    clean = open_source((pictures[25:], labels[25:]))
    evaluate(embed(encoder, train), embed(encoder, clean), ["knn"])


def test_near_duplicates_are_counted_as_a_slow_loop_does(pair):
    train, test = pair(dim=30)
    vectors = test.vectors.copy()
    vectors[[4, 9]] = train.vectors[[7, 2]] * 1.0001
    test = replace(test, vectors=vectors)
    found = near_duplicates(train, test)
    mean, scale = train.vectors.mean(0), train.vectors.std(0)
    ours, theirs = (torch.from_numpy((p.vectors - mean) / scale) for p in (test, train))
    cosines = torch.nn.functional.cosine_similarity(ours[:, None], theirs[None], dim=2)
    expected = (cosines.amax(1) >= 0.99).nonzero().ravel().tolist()
    assert {4, 9} <= set(expected)
    assert (found.count, found.of) == (len(expected), 300)
    assert {("test/4", "train/7"), ("test/9", "train/2")} == set(found.examples[:2])
    assert found.warning.startswith(f"{len(expected)} of 300 test images look the same")
    assert near_duplicates(train, test, shown=1).examples == found.examples[:1]


def test_nothing_alike_is_nothing_to_say(embeddings):
    rng = np.random.default_rng(0)
    parts = [embeddings(rng.normal(size=(50, 40)), np.arange(50) % 4, n) for n in ("a", "b")]
    found = near_duplicates(*parts)
    assert (found.count, found.warning) == (0, "")


def test_an_encoder_that_tells_nothing_apart_is_named_as_such(pair):
    train, test = pair()
    flat = [replace(p, vectors=np.sign(p.vectors[:, :1]).copy()) for p in (train, test)]
    assert "cannot tell near-duplicates" in near_duplicates(*flat).warning


def test_an_offset_common_to_all_features_hides_nothing_and_makes_nothing(pair):
    train, test = pair(dim=20)
    shifted = [replace(p, vectors=p.vectors + np.float32(1000)) for p in (train, test)]
    plain = near_duplicates(train, test).count
    assert plain < 30
    assert abs(near_duplicates(*shifted).count - plain) < 5
