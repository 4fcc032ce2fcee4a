"""The scale of sensor windows."""

import numpy as np
import pytest
import torch

from ilk.core import UserError
from ilk.data import Arrays, window_moments
from ilk.views import normalise


def test_normalised_windows_have_mean_0_and_deviation_1():
    chance = np.random.default_rng(0)
    windows = chance.normal([[9.8], [-3.0]], [[2.0], [40.0]], (50, 2, 30)).astype(np.float32)
    found = window_moments(Arrays(windows), 2)
    made = normalise(torch.from_numpy(windows), *found)
    torch.testing.assert_close(made.mean((0, 2)), torch.zeros(2), atol=1e-4, rtol=0)
    torch.testing.assert_close(made.std((0, 2), correction=0), torch.ones(2), atol=1e-4, rtol=0)


def test_a_channel_that_never_changes_is_kept_in_its_own_unit():
    windows = np.stack(
        [np.full((4, 10), 9.8), np.random.default_rng(0).normal(size=(4, 10))], 1
    )
    mean, deviation = window_moments(Arrays(windows), 2)
    assert mean[0] * 255 == pytest.approx(9.8, rel=1e-5)
    assert deviation[0] * 255 == 1


def test_bad_windows_are_passed_over_and_none_at_all_are_refused():
    windows = np.ones((3, 1, 4))
    windows[1] = np.nan
    assert window_moments(Arrays(windows), 1)[0][0] * 255 == pytest.approx(1)
    with pytest.raises(UserError, match="no good one, first 0: has 1 channels, 2 are wanted"):
        window_moments(Arrays(windows), 2)


@pytest.mark.parametrize("factor", [1e-6, 1e6])
def test_scales_that_no_record_holds_are_refused(factor):
    windows = factor * np.random.default_rng(0).normal(size=(4, 2, 10))
    with pytest.raises(UserError, match="another unit"):
        window_moments(Arrays(windows), 2)
