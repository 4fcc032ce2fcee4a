from dataclasses import replace

import numpy as np
import pytest
import torch

from ilk.core import UserError
from ilk.data import open_source
from ilk.embedding import embed
from ilk.evaluate import evaluate, near_duplicates, overlap, raw_pixels
from tests.curate.images import photo


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


def smooth(count, seed=0):
    """Images that look like photographs."""
    return np.stack([photo(seed + number, 32) for number in range(count)])


def test_without_pixels_close_vectors_are_candidates_as_a_slow_loop_finds_them(pair):
    train, test = pair(dim=30)
    vectors = test.vectors.copy()
    vectors[[4, 9]] = train.vectors[[7, 2]] * 1.0001
    test = replace(test, vectors=vectors)
    found = near_duplicates(train, test)
    mean, scale = train.vectors.mean(0), train.vectors.std(0)
    ours, theirs = (torch.from_numpy((p.vectors - mean) / scale) for p in (test, train))
    cosines = torch.nn.functional.cosine_similarity(ours[:, None], theirs[None], dim=2)
    expected = (cosines.amax(1) >= 0.8).nonzero().ravel().tolist()
    assert {4, 9} <= set(expected)
    assert (found.count, found.of, found.compared) == (len(expected), 300, None)
    assert {("test/4", "train/7"), ("test/9", "train/2")} == set(found.examples[:2])
    assert found.warning.startswith(f"{len(expected)} of 300 test images may be copies")
    assert near_duplicates(train, test, shown=1).examples == found.examples[:1]


def test_pixels_decide_not_an_encoder_that_tells_nothing_apart():
    images = smooth(30)
    labels = np.arange(20) % 2
    test_images = np.concatenate([images[20:], images[[3, 11]] // 10 * 9])  # less contrast
    train, test = open_source((images[:20], labels)), open_source(test_images)
    known, asked = embed(raw_pixels(8), train), embed(raw_pixels(8), test)
    found = near_duplicates(known, asked, (train, test))
    assert {("10", "3"), ("11", "11")} == set(found.examples)
    assert (found.count, found.of, found.compared) == (2, 12, (12, 20))
    blind = [
        replace(p, vectors=np.resize(np.float32([[1], [-1]]), (len(p), 1)).repeat(9, 1))
        for p in (known, asked)
    ]
    assert near_duplicates(*blind, (train, test)) == found, "the same for every encoder"


def test_the_same_in_each_run_and_at_most_so_many_are_compared(monkeypatch):
    images = smooth(12)
    train, test = open_source(images), open_source(images // 10 * 9)
    parts = [embed(raw_pixels(8), source) for source in (train, test)]
    found = near_duplicates(*parts, (train, test))
    assert found.count == 12
    assert near_duplicates(*parts, (train, test)) == found
    monkeypatch.setattr(overlap, "MOST", 3)
    some = near_duplicates(*parts, (train, test))
    assert (some.count, some.compared) == (3, (3, 3))
    assert some.warning.startswith("3 of 3 test images are copies of a train image")
    assert "(compared with 3 of 12), first " in some.warning


def test_rows_are_led_back_to_their_items_past_unreadable_ones():
    good = smooth(8)
    files = [b"no image", *good[:5]]
    train, test = open_source(files), open_source([b"nor this", *(good[:2] // 10 * 9)])
    parts = [embed(raw_pixels(8), source) for source in (train, test)]
    found = near_duplicates(*parts, (train, test))
    assert set(found.examples) == {("1", "1"), ("2", "2")}
    fewer = replace(parts[1], bad=())  # rows and items do not add up
    assert near_duplicates(parts[0], fewer, (train, test)).compared is None


def test_turned_and_mirrored_copies_count_too():
    images = smooth(12)
    train = open_source(images[:8])
    test = open_source(np.stack([images[2].swapaxes(0, 1), images[5, :, ::-1], *images[8:]]))
    parts = [embed(raw_pixels(8), source) for source in (train, test)]
    found = near_duplicates(*parts, (train, test))
    assert set(found.examples) == {("0", "2"), ("1", "5")}
    assert found.to_dict()["agreement"] == found.agreement
    assert 0 < found.agreement < 1


def test_nothing_alike_is_nothing_to_say(embeddings):
    rng = np.random.default_rng(0)
    parts = [embeddings(rng.normal(size=(50, 40)), np.arange(50) % 4, n) for n in ("a", "b")]
    found = near_duplicates(*parts)
    assert (found.count, found.warning) == (0, "")


def test_an_offset_common_to_all_features_hides_nothing_and_makes_nothing(pair):
    train, test = pair(dim=20)
    shifted = [replace(p, vectors=p.vectors + np.float32(1000)) for p in (train, test)]
    plain = near_duplicates(train, test).count
    assert abs(near_duplicates(*shifted).count - plain) < 5
