from dataclasses import replace

import numpy as np
import pytest
import torch

from ilk.core import UserError
from ilk.data import open_source
from ilk.embedding import embed
from ilk.evaluate import evaluate, near_duplicates, overlap, raw_pixels
from ilk.evaluate.overlap import agreement, thumbnail


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
    """Images of a few large patches, as photographs have."""
    coarse = np.random.default_rng(seed).integers(0, 256, (count, 4, 4, 3), dtype=np.uint8)
    return coarse.repeat(8, 1).repeat(8, 2)


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
    assert some.warning.startswith("3 of 3 test images have nearly the pixels of a train image")
    assert "(compared with 3 of 12), first " in some.warning


def test_each_image_finds_the_one_that_agrees_most_as_a_slow_loop_does():
    flat = [np.full((32, 32, 3), value, np.uint8) for value in (10, 90, 200)]
    known = np.stack([thumbnail(image) for image in (*smooth(12), *flat[:2])])
    asked = np.stack([thumbnail(image) for image in (*(smooth(20)[8:] // 2), *flat)])
    rows, agreed = overlap.most_agreeing(known, asked)
    table = np.array([[agreement(ours, theirs) for theirs in known] for ours in asked])
    np.testing.assert_allclose(agreed, table.max(1).clip(0), atol=1e-5)
    clear = table.max(1) > 0.9
    assert clear.sum() == 6
    assert rows[clear].tolist() == table.argmax(1)[clear].tolist()
    assert overlap.most_agreeing(known[:0], asked)[1].max() == 0


def test_rows_are_led_back_to_their_items_past_unreadable_ones():
    good = smooth(8)
    files = [b"no image", *good[:5]]
    train, test = open_source(files), open_source([b"nor this", *(good[:2] // 10 * 9)])
    parts = [embed(raw_pixels(8), source) for source in (train, test)]
    found = near_duplicates(*parts, (train, test))
    assert set(found.examples) == {("1", "1"), ("2", "2")}
    fewer = replace(parts[1], bad=())  # rows and items do not add up
    assert near_duplicates(parts[0], fewer, (train, test)).compared is None


def test_agreement_is_free_of_brightness_and_sees_colour():
    a, b = map(thumbnail, smooth(2))
    assert agreement(a, a) == pytest.approx(1)
    assert agreement(a, a // 2 + 40) > 0.999
    assert agreement(a, 255 - a) == pytest.approx(-1)
    assert abs(agreement(a, b)) < 0.7
    red, grey = np.zeros((16, 16, 3), np.uint8), np.full((16, 16, 3), 90, np.uint8)
    red[..., 0] = 200
    assert agreement(red, red[..., ::-1]) < 0
    assert agreement(grey, grey + 1) == 1
    assert agreement(grey, grey + 9) == 0
    assert agreement(grey, a) == 0


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
