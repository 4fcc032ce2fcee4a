"""Facts of a source of which listed bad files were mended."""

import numpy as np

from ilk.data import fact, open_source
from ilk.train.records.mended import good_keys, mended


def test_facts_go_on_and_those_of_bad_items_are_not_known():
    images = np.zeros((4, 8, 8, 3), np.uint8)
    now = open_source(images, facts={"domain": ["lab", "web", "web", "lab"]})
    entry = {"index": 2, "key": now.key(2), "reason": "no image", "label": -1}
    data = {"items": 4, "classes": 0, "fingerprint": "f", "good": good_keys(now, {now.key(2)})}
    source = mended(now, {"data": data, "bad_files": [entry]})
    assert source is not None
    known = fact(source, "domain")
    assert known.names == ("lab", "web")
    assert known.values.tolist() == [0, 1, -1, 0]
