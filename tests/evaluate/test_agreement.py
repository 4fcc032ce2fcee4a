from dataclasses import replace

import pytest
from scipy.stats import spearmanr

from ilk.evaluate import agreement, evaluate


@pytest.fixture(scope="module")
def measured(request):
    from tests.evaluate.conftest import make_pair

    train, test = make_pair(n_train=80, n_test=60)
    return evaluate(train, test, ["knn", "quality"])


def test_is_the_rank_correlation_over_encoders(measured):
    knn, quality = measured
    accuracies = [0.3, 0.5, 0.4, 0.9]
    ranks, uniform = [3.0, 9.0, 5.0, 7.0], [-1.0, -2.0, -1.5, -3.0]
    encoders = {
        str(n): [
            replace(knn, value=a),
            replace(quality, value=r, details={"uniformity": u, "items": 60}),
        ]
        for n, (a, r, u) in enumerate(zip(accuracies, ranks, uniform, strict=True))
    }
    found = {one.name: one for one in agreement(encoders)}
    assert set(found) == {"RankMe", "uniformity"}
    assert found["RankMe"].correlation == pytest.approx(spearmanr(ranks, accuracies).statistic)
    assert found["uniformity"].correlation == pytest.approx(-1)
    assert found["RankMe"].encoders == 4


def test_two_encoders_or_another_test_set_say_nothing(measured):
    knn, quality = measured
    rows = [[replace(knn, value=v), replace(quality, value=v)] for v in (0.1, 0.2, 0.3)]
    assert agreement({"a": rows[0], "b": rows[1]}) == []
    assert len(agreement(dict(zip("abc", rows, strict=True)))) == 1
    rows[2] = [replace(one, test_data="another") for one in rows[2]]
    assert agreement(dict(zip("abc", rows, strict=True))) == []
    assert agreement({"a": [], "b": [quality], "c": [knn]}) == []
