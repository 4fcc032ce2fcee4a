import io

import numpy as np
import pytest
from PIL import Image

from ilk.curate.buckets import hashes_within
from ilk.curate.hashes import (
    appearance,
    distance,
    perceptual_hash,
    turn_pixels,
    turned,
    without_border,
)
from ilk.data import BadItem
from tests.curate.images import coded, photo


def bits(number):
    return np.unpackbits(np.array([number], np.uint64).view(np.uint8)).reshape(8, 8)


def slow_hash(gray):
    """Signs of the low frequencies, each by its sum over all pixels of a 32 x 32 image."""
    n = np.arange(32)
    found = np.zeros((8, 8), np.uint8)
    for u in range(8):
        for v in range(8):
            row, column = (np.cos(np.pi * (n + 0.5) * f / 32) for f in (u, v))
            found[u, v] = (row[:, None] * column[None, :] * (gray - gray.mean())).sum() > 0
    found[0, 0] = 0
    return found


@pytest.mark.parametrize("seed", range(3))
def test_a_hash_is_the_signs_of_the_low_frequencies(seed):
    gray = photo(seed, 32)[..., 0]
    assert bits(perceptual_hash(gray)).tolist() == slow_hash(gray.astype(float)).tolist()


@pytest.mark.parametrize("turn", range(8))
def test_the_hash_of_a_turned_image_is_the_turned_hash(turn):
    for seed in range(5):
        gray = photo(seed, 32)[..., 1]
        hashes = np.array([perceptual_hash(gray)], np.uint64)
        assert int(turned(hashes, turn)[0]) == perceptual_hash(turn_pixels(gray, turn))


def test_the_eight_turns_are_those_of_a_square():
    square = np.arange(4).reshape(2, 2)
    found = {tuple(turn_pixels(square, turn).ravel()) for turn in range(8)}
    quarter = [np.rot90(square, k) for k in range(4)]
    assert found == {tuple(q.ravel()) for q in quarter} | {
        tuple(q[::-1].ravel()) for q in quarter
    }


def test_distance_counts_bits():
    ours = np.array([0b1011, 2**63, 5], np.uint64)
    theirs = np.array([0b0010, 0, 5], np.uint64)
    assert distance(ours, theirs).tolist() == [2, 1, 0]


def test_metadata_change_the_file_and_not_the_pixels():
    pixels = photo(1)
    exif = Image.Exif()
    exif[0x0132] = "2020:01:02 03:04:05"
    plain, dated = coded(pixels, "JPEG"), coded(pixels, "JPEG", exif=exif)
    ours, theirs = map(appearance, (plain, dated))
    assert (ours.content == theirs.content, ours.pixels == theirs.pixels) == (False, True)
    other = appearance(coded(photo(2), "JPEG"))
    assert other.pixels != ours.pixels


def test_an_image_that_its_file_says_to_turn_has_the_pixels_of_one_that_is_turned():
    pixels = photo(1, 64)[:40]
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned clockwise
    out = io.BytesIO()
    Image.fromarray(np.rot90(pixels)).save(out, "PNG", exif=exif)
    assert appearance(out.getvalue()).pixels == appearance(coded(pixels)).pixels
    assert appearance(out.getvalue()).size == (64, 40)


def test_the_shape_belongs_to_the_pixels():
    pixels = photo(1, 32)
    assert appearance(pixels).pixels != appearance(pixels.reshape(16, 64, 3)).pixels


def test_a_border_of_any_colour_is_left_out_of_the_inner_hash():
    pixels = photo(3)
    plain = appearance(pixels)
    assert plain.inner == plain.whole
    for value in (0, 255, 90):
        framed = np.pad(pixels, [(9, 5), (14, 8), (0, 0)], constant_values=value)
        found = appearance(framed)
        pair = np.array([[found.inner], [plain.whole]], np.uint64)
        assert distance(*pair)[0] <= 3
        assert found.whole != plain.whole


def test_an_image_of_one_colour_has_no_hash_and_keeps_its_border():
    gray = np.full((40, 40), 77, np.uint8)
    assert without_border(gray).shape == (40, 40)
    assert (appearance(gray).whole, appearance(gray).inner) == (0, 0)
    assert turned(np.array([0], np.uint64), 3)[0] == 0


def test_what_cannot_be_decoded_says_why():
    with pytest.raises(BadItem, match="truncated|damaged|decod"):
        appearance(coded(photo(0), "JPEG")[:400])


def test_pairs_of_hashes_are_those_of_a_slow_loop():
    rng = np.random.default_rng(0)
    known = rng.integers(1, 2**63, 300, dtype=np.uint64)
    asked = rng.integers(1, 2**63, 60, dtype=np.uint64)
    for row in range(50):  # near ones, turned, with 0 to 11 bits changed
        flips = rng.choice(63, row % 12, replace=False)
        mask = np.bitwise_or.reduce(
            np.uint64(1) << flips.astype(np.uint64), initial=np.uint64(0)
        )
        asked[row] = turned(known[row : row + 1], row % 8)[0] ^ mask
    rows, places, apart = hashes_within(known, asked, 10)
    found = dict(
        zip(zip(rows.tolist(), places.tolist(), strict=True), apart.tolist(), strict=True)
    )
    wanted = {}
    for row in range(60):
        for place in range(300):
            each = [
                int(distance(turned(asked[row : row + 1], t), known[place : place + 1])[0])
                for t in range(8)
            ]
            if min(each) <= 10:
                wanted[row, place] = min(each)
    assert found == wanted
    assert len(wanted) >= 45


def test_of_many_near_hashes_the_nearest_are_kept():
    base = np.uint64(0x1234567812345678)
    known = np.unique(base ^ (np.uint64(1) << np.arange(40, dtype=np.uint64)))
    known = np.append(known, base)
    rows, places, apart = hashes_within(known, np.array([base]), 10)
    assert len(rows) == 16
    assert apart[0] == 0
    assert places[0] == 40


def test_no_hashes_are_no_pairs():
    none = np.zeros(0, np.uint64)
    assert [len(part) for part in hashes_within(none, none, 10)] == [0, 0, 0]
