"""What is kept of comparisons of several encoders in one file."""

import json
from dataclasses import replace

import pytest
from rich.console import Console

from ilk.cli.verdicts import tell_comparisons, tell_overlap
from ilk.evaluate import Ledger, evaluate
from tests.evaluate.conftest import make_pair


def robust(encoder: str, errors: float):
    """A result of one encoder that loses so much under fog."""
    parts = [replace(part, encoder=encoder) for part in make_pair(n_train=80, n_test=40)]
    (result,) = evaluate(*parts, ["knn"])
    details = {"clean_accuracy": 0.9, "accuracy": {"fog": [0.9 - errors]}}
    return replace(result, details=details)


def test_two_encoders_against_one_reference_both_stay(tmp_path):
    place, reference = tmp_path / "all.json", robust("of hog", 0.4)
    for name, errors in (("pixels", 0.1), ("random", 0.2), ("pixels", 0.1)):
        rows = {name: [robust(f"of {name}", errors)], "hog": [reference]}
        tell_comparisons(Console(quiet=True), rows, Ledger(place))
    content = json.loads(place.read_text())
    for kept in (content["comparisons"], content["notes"]["corruption_errors"]):
        assert [(one["ours"], one["encoder"]) for one in kept] == [
            ("random", "of random"), ("pixels", "of pixels"),
        ]  # fmt: skip
        assert {(one["against"], one["against_encoder"]) for one in kept} == {("hog", "of hog")}
    found = [one["relative_mce"] for one in content["notes"]["corruption_errors"]]
    assert found == pytest.approx([0.5, 0.25])


def test_near_duplicates_of_other_sets_both_stay(tmp_path):
    place = tmp_path / "all.json"
    train, test = make_pair(n_train=80, n_test=40)
    for data in ("one", "two", "one"):
        parts = {"train": train, "test": replace(test, data=data)}
        tell_overlap(Console(quiet=True), parts, None, Ledger(place))
    notes = json.loads(place.read_text())["notes"]["near_duplicates"]
    assert [(one["test_data"], one["encoder"]) for one in notes] == [
        ("two", "c0de"), ("one", "c0de"),
    ]  # fmt: skip
