import os

import numpy as np
import pytest

from ilk.core import UserError
from ilk.data import cache_folder
from ilk.embedding import cached, embed


@pytest.fixture(autouse=True)
def _empty(tmp_path, monkeypatch):
    monkeypatch.setenv("ILK_CACHE", str(tmp_path / "cache"))


def kept():
    return sorted(cache_folder().glob("features-*.arrow"))


def test_the_second_time_nothing_is_read(encoder, arrays):
    source = arrays(count=12, bad=frozenset({3}))
    first, count = cached(encoder(), source), len(source.read)
    again = cached(encoder(), source)
    assert len(source.read) == count
    plain = embed(encoder(), source)
    for found in (first, again):
        assert np.array_equal(found.vectors, plain.vectors)
        assert np.array_equal(found.labels, plain.labels)
        assert np.array_equal(found.contents, plain.contents)
        assert found.keys.equals(plain.keys)
        assert (found.classes, found.bad) == (plain.classes, plain.bad)
        assert (found.encoder, found.data) == (plain.encoder, plain.data)


def test_without_a_home_nothing_is_kept_and_all_goes_on(encoder, arrays, monkeypatch):
    def no_home():
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("ILK_CACHE")
    monkeypatch.setattr("pathlib.Path.home", no_home)
    source = arrays(count=5)
    assert np.array_equal(cached(encoder(), source).vectors, embed(encoder(), source).vectors)


@pytest.mark.parametrize("place", ["/dev/null/cache", "/proc/cache"])
def test_a_place_that_cannot_be_written_keeps_nothing(encoder, arrays, monkeypatch, place):
    monkeypatch.setenv("ILK_CACHE", place)
    source = arrays(count=5)
    assert np.array_equal(cached(encoder(), source).vectors, embed(encoder(), source).vectors)
    cached(encoder(), source)
    assert len(source.read) == 15, "embedded each time"


def test_broken_vectors_are_not_kept(encoder, arrays):
    with pytest.raises(UserError, match="embed: vectors must be finite, all 5 images"):
        cached(encoder(float("nan")), arrays(count=5))
    assert not kept()


def test_other_data_or_another_encoder_is_another_entry(encoder, arrays):
    cached(encoder(), arrays(count=5))
    cached(encoder(), arrays(count=5, fingerprint="beef"))
    cached(encoder(fingerprint="beef"), arrays(count=5))
    assert len(kept()) == 3


@pytest.mark.parametrize("damage", [b"", b"ARROW1 and then nothing", None])
def test_a_damaged_entry_is_made_again(encoder, arrays, damage):
    source = arrays(count=5)
    whole = cached(encoder(), source)
    (place,) = kept()
    place.write_bytes(place.read_bytes()[:-40] if damage is None else damage)
    again = cached(encoder(), source)
    assert np.array_equal(again.vectors, whole.vectors)
    assert len(source.read) == 10
    cached(encoder(), source)
    assert len(source.read) == 10, "the damaged one was replaced"


def test_the_longest_unused_go_first(encoder, arrays):
    for age, name in enumerate("cba"):
        cached(encoder(), arrays(count=5, fingerprint=name))
        for place in kept():
            if place.stat().st_mtime > 1e9:
                os.utime(place, (1000 - age, 1000 - age))
    size = kept()[0].stat().st_size
    source = arrays(count=5, fingerprint="a")
    cached(encoder(), source)  # the oldest, but used again
    assert not source.read
    cached(encoder(), arrays(count=5, fingerprint="d"), most_bytes=2 * size + size // 2)
    assert len(kept()) == 2
    cached(encoder(), source)
    assert not source.read


def test_without_a_place_to_write_it_is_embedded(encoder, arrays, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("ILK_CACHE", str(tmp_path / "file" / "cache"))
    assert len(cached(encoder(), arrays(count=5))) == 5


def test_contents_tell_items_apart(encoder, arrays):
    found = embed(encoder(), arrays(count=10)).contents
    assert len(set(found.tolist())) == 10
    assert np.array_equal(found, embed(encoder(), arrays(count=10), batch_size=3).contents)
