import pytest

from ilk.core import UserError
from ilk.evaluate.comparisons.corruption_error import corruption_errors

REFERENCE = {"fog": [0.5, 0.3], "snow": [0.6, 0.2]}


def test_worked_out_on_paper() -> None:
    found = corruption_errors({"fog": [0.8, 0.7], "snow": [0.7, 0.5]}, 0.9, REFERENCE, 0.8)
    # fog loses 0.2 and 0.3 where the reference loses 0.5 and 0.7; snow likewise
    assert found.mce == pytest.approx((0.5 / 1.2 + 0.8 / 1.2) / 2)
    # of which twice 0.1, and twice 0.2 of the reference, are lost on clean images too
    assert found.relative_mce == pytest.approx((0.3 / 0.8 + 0.6 / 0.8) / 2)


def test_the_reference_is_one_of_itself() -> None:
    found = corruption_errors(REFERENCE, 0.8, REFERENCE, 0.8)
    assert (found.mce, found.relative_mce) == (pytest.approx(1), pytest.approx(1))


def test_refusals() -> None:
    with pytest.raises(UserError, match="same corruptions"):
        corruption_errors({"fog": [0.8, 0.7]}, 0.9, REFERENCE, 0.8)
    with pytest.raises(UserError, match="must lose accuracy under fog"):
        corruption_errors({"fog": [0.5]}, 0.9, {"fog": [1.0]}, 1.0)
