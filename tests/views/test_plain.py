"""Where the pixels of the view to measure with lie in the image."""

import numpy as np
import pytest

from ilk.views import Plain


@pytest.mark.parametrize(
    ("height", "width", "size"), [(300, 400, 64), (37, 80, 32), (32, 32, 32), (9, 7, 16)]
)
def test_the_place_of_each_pixel_is_what_the_view_shows_of_a_ramp(height, width, size):
    rows, columns = Plain(size=size).under(height, width)
    ramp = np.zeros((height, width, 2), np.uint8)
    ramp[..., 0] = 20 + 200 * (np.arange(height)[:, None] + 0.5) / height
    ramp[..., 1] = 20 + 200 * (np.arange(width) + 0.5) / width
    (shown,) = Plain(size=size).render([ramp], np.array([0])).numpy()
    tolerance = 1.6 + 0.5 * 200 / min(height, width)  # rounding, and what is left at borders
    np.testing.assert_allclose(
        shown[0], (20 + 200 * rows)[:, None].repeat(size, 1), atol=tolerance
    )
    np.testing.assert_allclose(
        shown[1], (20 + 200 * columns)[None].repeat(size, 0), atol=tolerance
    )
    assert min(rows[0], columns[0]) >= 0
    assert max(rows[-1], columns[-1]) <= 1
