"""Runs that are lengthened: a new schedule from where they stand, exact as any other."""

import json
import math
import shutil
from pathlib import Path

import pytest

from ilk.core import UserError
from ilk.train import Interrupted, read_record, resume, train
from ilk.train.records.checkpoint import load
from ilk.train.records.legs import lengthened
from tests.train.conftest import Witness
from tests.train.test_resume import CHECKPOINT, RECORD, StopAt, edited, same

ENDS = (3, 9)  # of the two schedules; an epoch has 4 steps


@pytest.fixture
def options(tiny) -> dict:
    return {"steps": ENDS[0], "mix": None, "knn_every": 0, "checkpoint_every": 100}


@pytest.fixture
def first(tiny, options, folder, tmp_path) -> Path:
    """A finished run of three steps."""
    train(tiny(**options), str(folder), tmp_path / "first", Witness())
    return tmp_path / "first"


@pytest.fixture
def whole(first, tmp_path) -> Path:
    """The same, lengthened to nine steps without a stop."""
    shutil.copytree(first, tmp_path / "whole")
    resume(tmp_path / "whole", Witness(), steps=ENDS[1])
    return tmp_path / "whole"


def fields(directory: Path, name: str) -> list:
    lines = (directory / "metrics.jsonl").read_text().splitlines()
    return [json.loads(line)[name] for line in lines]


def test_the_record_and_the_numbers_say_both_schedules(first, whole):
    record = read_record(whole)
    legs = record["length"]["legs"]
    assert [(leg["from"], leg["to"]) for leg in legs] == [(0, 3), (3, 9)]
    assert [leg["settings"]["steps"] for leg in legs] == [3, 9]
    assert (record["status"], record["step"], record["settings"]["steps"]) == ("finished", 9, 9)
    assert load(whole / CHECKPOINT)[1]["sealed"]["length"] == record["length"]
    assert fields(whole, "step") == list(range(9))
    assert fields(whole, "epoch") == [(step + 1) / 4 for step in range(9)]
    assert fields(whole, "loss")[:3] == fields(first, "loss")
    # The first warms up for an epoch, which it does not end; the second for 0.6 steps.
    later = [0.5 * (1 + math.cos(math.pi * (step - 0.6) / 5.4)) for step in range(1, 6)]
    shares = [lr / record["peak_lr"] for lr in fields(whole, "lr")]
    assert shares == pytest.approx([0, 1 / 3, 2 / 3, 0, *later])


def test_a_stop_at_every_step_of_the_second_leg_changes_nothing(first, whole, tmp_path):
    for step in range(ENDS[0] + 1, ENDS[1]):
        place = tmp_path / f"cut{step}"
        shutil.copytree(first, place)
        with pytest.raises(Interrupted):
            resume(place, StopAt(step), steps=ENDS[1])
        assert read_record(place)["step"] == step
        resume(place, Witness())
        assert same(place, whole)
        assert fields(place, "loss") == fields(whole, "loss")


def test_a_kill_between_the_legs_loses_nothing(first, whole, tmp_path):
    """The record holds the new leg already, the checkpoint is that of the old one."""
    facts = load(first / CHECKPOINT)[1]
    record = lengthened(read_record(first), {"steps": ENDS[1]}, facts, "now")
    (first / RECORD).write_text(json.dumps(record | {"status": "running"}))
    shutil.copytree(first, tmp_path / "other")
    resume(first, Witness())
    assert same(first, whole)
    # Another length takes the place of one for which no step was taken.
    resume(tmp_path / "other", Witness(), steps=5)
    legs = read_record(tmp_path / "other")["length"]["legs"]
    assert [(leg["from"], leg["to"]) for leg in legs] == [(0, 3), (3, 5)]


def test_a_run_that_was_stopped_is_lengthened_from_there_and_again(
    tiny, options, folder, tmp_path
):
    with pytest.raises(Interrupted):
        train(tiny(**options | {"steps": 6}), str(folder), tmp_path / "cut", StopAt(4))
    witness = Witness()
    resume(tmp_path / "cut", witness, epochs=2)
    assert witness.messages == ["a new schedule begins: 1 + 1 epochs"]
    resume(tmp_path / "cut", witness, epochs=3)
    length = read_record(tmp_path / "cut")["length"]
    assert [(leg["from"], leg["to"]) for leg in length["legs"]] == [(0, 6), (4, 8), (8, 12)]
    assert witness.steps == list(range(5, 13))


def test_minutes_are_those_of_the_whole_run_at_its_pace(first):
    record, facts = read_record(first), {"step": 3, "seconds": 90.0}
    longer = lengthened(record, {"minutes": 5}, facts, "now")
    assert longer["length"]["steps"] == 10
    assert longer["settings"] == record["settings"] | {"steps": None, "minutes": 5}


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        ({"steps": 2}, "longer than the 3 steps .0.75 epochs. that are done, got steps 2"),
        ({"epochs": 0.5}, "got epochs 0.5, which is 2 steps"),
        ({"steps": 3}, "must be unfinished, but the run is complete; to lengthen it ask for"),
        ({"epochs": 0.75}, "must be unfinished, but the run is complete"),
        ({"epochs": 2, "steps": 9}, "one of epochs, steps and time"),
        ({"steps": -1}, "steps: must be a whole number from 1 to"),
        ({"epochs": math.nan}, "must be a number above zero, at most 1e.12, got nan"),
        ({"epochs": math.inf}, "must be a number above zero, at most 1e.12, got inf"),
        ({"minutes": math.inf}, "must be a number above zero, at most 1e.12, got inf"),
        ({"epochs": 1e12}, "must be 1,000,000,000,000 steps at most, got 4,000,000,000,000"),
    ],
)
def test_what_is_not_longer_is_refused(first, asked, says):
    before = (first / RECORD).read_bytes()
    with pytest.raises(UserError, match=says) as caught:
        resume(first, Witness(), **asked)
    assert len(str(caught.value).splitlines()) == 1
    assert (first / RECORD).read_bytes() == before


def test_the_same_length_is_no_new_leg_of_a_run_that_was_stopped(
    tiny, options, folder, tmp_path
):
    with pytest.raises(Interrupted):
        train(tiny(**options), str(folder), tmp_path / "cut", StopAt(2))
    resume(tmp_path / "cut", Witness(), epochs=0.75)
    assert "legs" not in read_record(tmp_path / "cut")["length"]


def test_a_run_without_a_checkpoint_has_no_step_to_go_on_from(first):
    (first / CHECKPOINT).unlink()
    edited(first, lambda record: record.update(step=0, saved=0, status="interrupted"))
    with pytest.raises(UserError, match="must have a checkpoint before its length can change"):
        resume(first, Witness(), steps=9)


def test_legs_that_are_not_those_of_the_checkpoint_are_refused(first, tmp_path):
    with pytest.raises(Interrupted):
        resume(first, StopAt(6), steps=ENDS[1])

    def leg(number, **changes):
        return lambda record: record["length"]["legs"][number].update(changes)

    for number, edit in enumerate((
        leg(1, **{"from": 2}), leg(0, to=5), leg(0, to=2), leg(0, settings={"steps": 4}),
        leg(1, when=3), leg(1, to=10), leg(1, settings={"steps": "x"}), leg(1, **{"from": 6}),
        leg(1, further=1), lambda record: record["length"].pop("legs"),
        lambda record: record["length"].update(legs=[]),
        lambda record: record["length"].update(legs={"from": 1}),
        lambda record: record["length"]["legs"].pop(0),
        lambda record: record["length"]["legs"].pop(1),
    )):  # fmt: skip
        place = tmp_path / str(number)
        shutil.copytree(first, place)
        edited(place, edit)
        with pytest.raises(UserError, match="length|leg|from"):
            resume(place, Witness())
