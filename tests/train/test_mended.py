"""A source of which listed bad files were mended or taken away."""

import numpy as np
import pytest

from ilk.core.facts import Fact
from ilk.data import Bad, Subset, fact, open_source
from ilk.train.records.mended import bad_files, mended


def test_facts_go_on_and_those_of_bad_items_are_not_known():
    images = np.zeros((4, 8, 8, 3), np.uint8)
    now = open_source(images, facts={"domain": ["lab", "web", "web", "lab"]})
    record = {"data": {"items": 4, "classes": 0, "fingerprint": "f"}}
    met = [Bad(index=2, key=now.key(2), reason="no image")]
    source = mended(now, record | {"bad_files": bad_files(record, met, now)})
    assert source is not None
    known = fact(source, "domain")
    assert known.names == ("lab", "web")
    assert known.values.tolist() == [0, 1, -1, 0]


@pytest.mark.parametrize("taken_away", [False, True])
def test_an_image_that_is_there_twice_is_bad_twice(taken_away):
    """As of few labels, where a labelled image is one of all images too."""
    images = open_source(np.zeros((5, 8, 8, 3), np.uint8))
    twice = Subset(images, np.array([0, 1, 2, 3, 4, 1, 3]))
    record = {"data": {"items": 7, "classes": 0, "fingerprint": "f"}}
    met = [Bad(index=5, key=twice.key(5), reason="damaged")]
    record["bad_files"] = bad_files(record, met, twice)
    assert [entry["index"] for entry in record["bad_files"]] == [1, 5]
    now = Subset(images, np.array([0, 2, 3, 4, 3])) if taken_away else twice
    source = mended(now, record)
    assert [source.key(index) for index in range(7)] == ["0", "1", "2", "3", "4", "1", "3"]
    # A record of before, in which one of them stands alone, fits neither.
    assert mended(now, record | {"bad_files": record["bad_files"][1:]}) is None


def test_probable_labels_stay_with_their_items():
    class Predicted(Subset):
        facts = ("class",)

        def fact(self, name):
            shares = np.eye(3, dtype=np.float16)[self.chosen]
            return Fact(("a", "b", "c"), np.full(len(self), -1, np.int32), "", shares)

    images = open_source(np.zeros((3, 8, 8, 3), np.uint8))
    whole = Predicted(images, np.array([0, 1, 2]))
    record = {"data": {"items": 3, "classes": 0, "fingerprint": "f"}}
    record["bad_files"] = bad_files(record, [Bad(index=1, key="1", reason="damaged")], whole)
    source = mended(Predicted(images, np.array([0, 2])), record)
    assert fact(source, "class").shares.tolist() == [[1, 0, 0], [0, 0, 0], [0, 0, 1]]
