import numpy as np
import pytest
import torch

from ilk.embedding import rankme
from ilk.evaluate import evaluate
from ilk.evaluate.protocols.quality import alpha_req, uniformity


def test_uniformity_is_that_of_a_slow_loop():
    rows = np.random.default_rng(0).normal(size=(1100, 6))
    unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    squares = ((unit[:, None] - unit[None]) ** 2).sum(2)
    apart = np.exp(-2 * squares[~np.eye(1100, dtype=bool)])
    found = uniformity(torch.from_numpy(rows).float())
    assert found == pytest.approx(np.log(apart.mean()), abs=1e-4)
    assert uniformity(torch.ones(5, 3)) == pytest.approx(0, abs=1e-5)


@pytest.mark.parametrize("alpha", [0.5, 1.0, 2.0])
def test_the_power_of_a_spectrum_is_found(alpha):
    rng = np.random.default_rng(0)
    left = np.linalg.qr(np.c_[np.ones(200), rng.normal(size=(200, 40))])[0][:, 1:]  # centred
    right = np.linalg.qr(rng.normal(size=(40, 40)))[0]
    rows = left * np.arange(1, 41) ** (-alpha / 2) @ right
    found = alpha_req(torch.from_numpy(rows).float(), 3, 30)
    assert found == pytest.approx(alpha, abs=0.01)


def test_a_line_has_no_spectrum_to_fit():
    assert alpha_req(torch.outer(torch.arange(9.0), torch.ones(4)), 3, 100) is None


def test_the_protocol_needs_no_label(pair):
    _, test = pair()
    unlabelled = type(test)(
        vectors=test.vectors, labels=np.full(300, -1), keys=test.keys, classes=(),
        encoder=test.encoder, data=test.data,
    )  # fmt: skip
    (found,) = evaluate(None, unlabelled, ["quality"])
    vectors = torch.from_numpy(test.vectors)
    assert found.value == pytest.approx(rankme(vectors))
    assert found.details["uniformity"] == uniformity(vectors)
    assert (found.unit, found.interval, found.classes) == ("", None, 0)
