"""What is known of rendered items, by name."""

import numpy as np
import pytest

from ilk.core import UserError
from ilk.data import Joined, fact, fact_names, open_masks
from ilk.rendered import BACKGROUNDS, Rendered, Series


def test_facts_are_the_truth() -> None:
    source = Rendered(20, size=16, instances=2, domain="dusk")
    truths = [source.truth(index) for index in range(20)]
    instances = fact(source, "instance")
    named = [instances.names[value] for value in instances.values]
    assert named == [f"0/train/{truth.instance}" for truth in truths]
    assert len(instances.names) < 20
    backgrounds = fact(source, "background")
    assert backgrounds.names == BACKGROUNDS
    assert backgrounds.values.tolist() == [truth.background for truth in truths]
    assert fact(source, "domain").names == ("dusk",)
    assert fact(source, "label").values.tolist() == [truth.class_index for truth in truths]


def test_looks_joined_are_domains_and_share_instances() -> None:
    looks = [Rendered(10, size=16, domain=domain) for domain in ("studio", "dusk")]
    source = Joined(looks)
    known = fact(source, "domain")
    assert [known.names[value] for value in known.values] == ["studio"] * 10 + ["dusk"] * 10
    instances = fact(source, "instance").values
    assert (instances[:10] == instances[10:]).all()


def test_a_clip_is_frames_of_one_video() -> None:
    base = Rendered(2, size=24)
    frames = Series(base, 3, of="clip")
    assert fact_names(frames) == ("label", "video", "time", "domain", "instance", "background")
    assert fact(frames, "video").values.tolist() == [0, 0, 0, 1, 1, 1]
    assert fact(frames, "time").values.tolist() == [0, 1, 2, 0, 1, 2]
    assert fact(frames, "instance").values.tolist() == [
        value for value in fact(base, "instance").values for _ in range(3)
    ]
    assert np.array_equal(np.stack([frames.item(3 + t) for t in range(3)]), base.clip(1, 3))
    assert frames.label(4) == base.label(1)
    masks, truths = open_masks(None, frames), base.clip_truth(1, 3)
    for time in range(3):
        assert (masks(3 + time, frames.item(3 + time)) == (truths[time].mask >= 0.5)).all()
        assert frames.truth(3 + time).box == truths[time].box


def test_a_year_is_times_of_one_place() -> None:
    base = Rendered(2, size=24)
    year = Series(base, 4, of="year", bands=5)
    assert fact(year, "place").values.tolist() == [0] * 4 + [1] * 4
    assert "domain" not in fact_names(year)
    assert np.array_equal(np.stack([year.item(4 + s) for s in range(4)]), base.seasons(1, 4, 5))
    assert (year.mask(6) == base.mask(1)).all()


def test_series_differ_by_their_settings_and_refuse_others() -> None:
    base = Rendered(2, size=24)
    every = [Series(base, 4, of="year"), Series(base, 4, of="clip"), Series(base, 5, of="clip")]
    assert len({source.fingerprint for source in every}) == 3
    assert len({every[0].key(index) for index in range(8)}) == 8
    with pytest.raises(UserError, match="length must be >= 1"):
        Series(base, 0, of="clip")
    with pytest.raises(UserError, match="a clip has three bands"):
        Series(base, 2, of="clip", bands=4)
    with pytest.raises(IndexError):
        every[0].item(8)
