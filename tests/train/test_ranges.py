"""What is set is what a record may hold, or a run could be begun and not be continued."""

import json
import math
from dataclasses import fields

import pytest

from ilk.core import UserError
from ilk.train import Settings, checked_settings
from ilk.train.length import Length, length_of
from ilk.train.ranges import MOST_STEPS, RANGES
from ilk.train.records.record import SETTINGS

NUMBERS = [
    -(2**70), -1, -1e-9, 0, 0.0, 1e-9, 0.5, 1, 2, 512, 1024, 1025, 2**16, 2**16 + 1, 2**20 + 1,
    2**63 - 1, 2**63, 10**12, 10**12 + 1, 1e12, 1e15, 1e300, math.inf,
    -math.inf, math.nan, True,
]  # fmt: skip


def accepted(name, value):
    try:
        settings = checked_settings({**Settings().as_record(), name: value})
    except UserError:
        return False
    json.dumps(settings.as_record(), allow_nan=False)
    return True


@pytest.mark.parametrize("name", sorted(RANGES))
def test_a_number_is_taken_from_a_person_and_from_a_record_or_from_neither(name):
    for value in NUMBERS:
        assert accepted(name, value) == SETTINGS[name].fits(value), value


def test_every_number_of_the_settings_has_a_range():
    for field in fields(Settings):
        takes = {int, float} & {
            type(part) for part in (1, 1.0) if SETTINGS[field.name].fits(part)
        }
        assert bool(takes) == (field.name in RANGES), field.name


@pytest.mark.parametrize(
    ("name", "value"),
    [("lr", math.nan), ("lr", -1e-3), ("checkpoint_every", 0), ("workers", 100_000),
     ("knn_every", math.inf), ("steps", MOST_STEPS + 1)],
)  # fmt: skip
def test_what_no_run_can_be_trained_with_is_refused_before_it_begins(name, value):
    with pytest.raises(UserError, match=rf"^{name}: must be .* got {value}"):
        Settings(**{name: value})


def test_what_need_not_be_given_may_be_none_in_a_record_and_nothing_else():
    for name in RANGES:
        assert SETTINGS[name].fits(None) == (getattr(Settings(), name) is None)


@pytest.mark.parametrize("asked", [{"epochs": 1e12}, {"minutes": 1e12}])
def test_a_length_that_no_record_holds_is_refused(asked):
    with pytest.raises(UserError, match="must be 1,000,000,000,000 steps at most, got"):
        length_of(Settings(**asked), steps_per_epoch=4.0, step_seconds=1e-3)
    with pytest.raises(UserError, match="steps at most, got 1,000,000,000,001"):
        Length(MOST_STEPS + 1, 4.0)
    assert Length(MOST_STEPS, 4.0).steps == MOST_STEPS
