"""``ilk train --resume``: what may be given again, and what would change the run."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from ilk.cli.resume import check_same
from ilk.core import UserError
from ilk.train import Settings, read_record
from ilk.train.settings import placed
from tests.cli.conftest import TINY


@pytest.fixture
def cut(run, tmp_path) -> Path:
    """The finished run as it was when it had just been stopped: its last step is written."""
    place = tmp_path / "cut"
    shutil.copytree(run, place)
    record = json.loads((place / "run.json").read_text())
    (place / "run.json").write_text(json.dumps(record | {"status": "interrupted"}))
    return place


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--method", "byol"], "method moco-v3, got byol; leave --method out"),
        (["--steps", "2"], "must be longer than the 3 steps"),
        (["--epochs", "nan"], "must be a number above zero, at most 1e+12, got nan"),
        (["--steps", "9", "--time", "5m"], "only one of epochs, steps and time can be given"),
        (["--steps", "9", "--seed", "1"], "seed 0, got 1"),
        (["--seed", "1"], "seed 0, got 1"),
        (["--mix", "i-mix"], "mix sdmp, got i-mix"),
        (["--lr", "0.5"], "lr None, got 0.5"),
        (["--set", "dim=9"], "dim 8, got 9"),
        (["--set", "mix.weight=9"], "mix.weight None, got 9"),
        (["--backbone-set", "widths=(9,9)"], "got (9, 9)"),
        (["--dry-run"], "dry_run"),
        (["-o", "elsewhere"], "output"),
        (["--method", "moco-v3", "--seed", "1"], "seed 0, got 1"),
        (["nowhere"], "must be an existing folder"),
    ],
)
def test_what_would_change_the_run_is_refused(ilk, cut, words, says):
    said = ilk("train", *words, "--resume", cut)
    assert said.code == 2
    assert says in said.err
    assert len(said.err.strip().splitlines()) == 1
    assert read_record(cut)["status"] == "interrupted"


def test_an_explicit_default_that_is_not_the_runs_value_is_refused(ilk, cut):
    said = ilk(
        "train", "--mix", "sdmp", "--channels", "3", "--image-size", "64", "--resume", cut
    )
    assert said.code == 2
    assert "image_size 32, got 64" in said.err
    said = ilk("train", "--batch-size", "8", "--accumulate", "2", "--resume", cut)
    assert "accumulate 1, got 2" in said.err


def test_the_same_options_moved_images_and_other_threads_are_taken(ilk, cut, folder, tmp_path):
    shutil.copytree(folder / "train", tmp_path / "moved")
    said = ilk(
        "train", "moved", "--resume", cut, "--workers", "2", "--device", "cpu", "--method",
        "moco-v3", "--mix", "sdmp", "--steps", "3", "--set", "hidden=16", "--backbone-set",
        "widths=(8,16)", "-o", cut,
    )  # fmt: skip
    assert said.code == 0, said.err
    record = read_record(cut)
    assert record["status"] == "finished"
    assert record["data"]["spec"] == str(tmp_path / "moved")


def test_a_finished_run_is_lengthened(ilk, run, tmp_path):
    place = tmp_path / "long"
    shutil.copytree(run, place)
    said = ilk("train", "--resume", place)
    assert "to lengthen it ask for more epochs, steps or time than the 3 steps" in said.err
    said = ilk("train", "--resume", place, "--steps", "5")
    assert said.code == 0, said.err
    assert "a new schedule begins: " in said.out + said.err
    record = read_record(place)
    assert (record["status"], record["step"], record["settings"]["steps"]) == ("finished", 5, 5)
    said = ilk("train", "--resume", place, "--steps", "5")
    assert (said.code, "is complete" in said.err) == (2, True)


@pytest.mark.parametrize(
    ("given", "options", "word", "other"),
    [
        ({"labels": "labels.csv"}, {}, "labels", "others.csv"),
        ({"labelled": "known"}, {"labelled": 0.5}, "labels", "others.csv"),
        ({"subset": "~/kept.jsonl"}, {}, "subset", "kept.jsonl"),
        ({"masks": "masks", "background": "random"}, {}, "masks", "saliency"),
        ({"masks": "saliency", "background": "random"}, {}, "masks", "masks"),
        ({"kin": "table:pairs.csv"}, {}, "kin", "table:others.csv"),
        ({"kin": "neighbours:5"}, {}, "kin", "neighbours:6"),
        ({}, {"pseudo_labels": "table.parquet"}, "set", "pseudo_labels=others.parquet"),
        ({}, {"labelled": 0.5}, "set", "labelled=0.6"),
    ],
)
def test_a_path_given_again_is_the_place_that_it_names(
    cut, monkeypatch, given, options, word, other
):
    monkeypatch.chdir(cut.parent)
    record = json.loads((cut / "run.json").read_text())
    began = Settings(**record["settings"] | {"mix": None, "mix_options": {}} | given)
    began = placed(replace(began, method_options=options))
    (cut / "run.json").write_text(json.dumps(record | {"settings": began.as_record()}))
    again = {"set": tuple(f"{k}={v}" for k, v in options.items())} if options else given
    check_same(cut, again)
    with pytest.raises(UserError, match="must keep the settings that it began with"):
        check_same(cut, {word: (other,) if word == "set" else other})


def test_an_option_of_a_method_may_have_the_name_of_a_setting(cut):
    record = json.loads((cut / "run.json").read_text())
    began = Settings(
        **record["settings"] | {"labelled": "known", "mix_options": {}, "mix": None}
    )
    began = placed(replace(began, method_options={"labelled": 0.5}))
    (cut / "run.json").write_text(json.dumps(record | {"settings": began.as_record()}))
    check_same(cut, {"labelled": began.labelled, "set": ("labelled=0.5",)})
    for other in ({"labelled": "others"}, {"set": ("labelled=0.6",)}):
        with pytest.raises(
            UserError, match="must keep the settings that it began with, labelled"
        ):
            check_same(cut, other)


def test_a_mix_that_was_left_to_the_rule_may_be_left_to_it_again(ilk, cut, folder):
    words = ("train", folder / "train", "--mix", "auto", *TINY, "-o", "chosen")
    said = ilk(*words, "--steps", "2", "--dry-run")
    assert said.code == 0, said.err
    (line,) = (line for line in said.out.splitlines() if line.startswith("mixes"))
    assert "chosen  mix=" in said.out
    assert ilk(*words, "--steps", "2").code == 0
    record = read_record(Path("chosen"))
    assert line == f"mixes   {record['plan']['mixing']}"
    assert (record["settings"]["mix"] or "none") == record["plan"]["chosen"]["mix"]
    said = ilk("train", "--resume", "chosen", "--mix", "auto", "--steps", "4")
    assert said.code == 0, said.err
    assert read_record(Path("chosen"))["step"] == 4
    assert "mix sdmp, got auto" in ilk("train", "--mix", "auto", "--resume", cut).err
