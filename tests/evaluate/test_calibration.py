import numpy as np
import pytest

from ilk.evaluate.metrics.calibration import calibration_error


def slow(confidence: np.ndarray, correct: np.ndarray) -> float:
    total = 0.0
    for k in range(15):
        inside = [
            n for n in range(len(correct)) if k / 15 < float(confidence[n]) <= (k + 1) / 15
        ]
        if inside:
            accuracy = sum(bool(correct[n]) for n in inside) / len(inside)
            mean = sum(float(confidence[n]) for n in inside) / len(inside)
            total += len(inside) / len(correct) * abs(accuracy - mean)
    return total


@pytest.mark.parametrize("seed", range(5))
def test_against_a_loop(seed: int) -> None:
    rng = np.random.default_rng(seed)
    confidence = rng.uniform(0.1, 1, 500).astype(np.float32)
    correct = rng.random(500) < confidence**2
    assert calibration_error(confidence, correct) == pytest.approx(slow(confidence, correct))


def test_calibrated_and_not() -> None:
    sure = np.ones(10, np.float32)
    assert calibration_error(sure, np.ones(10, bool)) == 0
    assert calibration_error(sure, np.zeros(10, bool)) == 1
    half = np.full(10, 0.5, np.float32)
    assert calibration_error(half, np.arange(10) % 2 == 0) == 0
