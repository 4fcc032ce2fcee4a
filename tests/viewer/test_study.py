"""What a page says of the best row of a study."""

from dataclasses import replace

import numpy as np

from ilk.evaluate import difference_over_seeds, mean_over_seeds
from ilk.study.table import Difference, Row, Summary
from ilk.viewer.study import _verdict


def row(name, **means):
    scores = np.ones((2, 9))
    found = {
        f"{protocol}@1": replace(mean_over_seeds(scores), mean=mean)
        for protocol, mean in means.items()
    }
    return Row(name=name, means=found)


def difference(ours, theirs, *, sure):
    found = difference_over_seeds(np.ones((2, 9)), np.zeros((2, 9)))
    p = 0.01 if sure else 0.5
    return Difference(protocol="knn@1", ours=ours, theirs=theirs, found=found, p=p)


def verdict(rows, differences=()):
    return _verdict(Summary(rows=rows, differences=differences), rows[0], 50)


def test_only_rows_that_were_scored_are_compared():
    one, two, pixels = row("a", knn=0.5), row("b", knn=0.4), row("pixels", linear=0.3)
    assert "significantly" not in verdict((one, pixels))
    assert "significantly" not in verdict((one, two)), "they were not compared"
    sure, unsure = difference("a", "b", sure=True), difference("a", "b", sure=False)
    assert verdict((one, two), (sure,)).endswith("better than every other row (p <= 0.05).")
    assert "than every other row that was scored so" in verdict((one, two, pixels), (sure,))
    assert verdict((one, two, pixels), (unsure,)).endswith("not differ significantly from b.")
