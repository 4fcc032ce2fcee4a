"""Typing errors answer before anything slow is imported."""

import subprocess
import sys

import pytest

from ilk.cli import catalogue
from ilk.cli.arguments import check_names, check_paths
from ilk.cli.worth import verdict
from ilk.core import UserError, names

WATCH = """
import sys
sys.argv = ["ilk", *{words!r}]
from ilk.cli import main
try:
    main()
except SystemExit as end:
    print("left with", end.code, sorted({{"torch", "timm", "ilk.data"}} & set(sys.modules)))
"""


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (["train", "photoz/"], 2, "photoz/: must be an existing folder"),
        (["train", ".", "--method", "moco-v4"], 2, "did you mean moco-v3?"),
        (["train", ".", "--mix", "sdnp"], 2, "did you mean sdmp?"),
        (["train", ".", "--kin", "neighbors:5"], 2, "did you mean neighbours?"),
        (["train", ".", "--set", "hiden=8"], 2, "did you mean hidden?"),
        (["train", ".", "--set", "mix.alpha=1"], 2, "needs a --mix, got none"),
        (["train", ".", "--mix", "auto", "--set", "mix.alpha=1"], 2, "needs a --mix, got auto"),
        (["train", ".", "--set", "optimiser.lear=1"], 2, "optimiser: --set needs one of its"),
        (["train", ".", "--time", "soon"], 2, "10m"),
        (["train", ".", "--batch-size", "0"], 2, "number from 1 to"),
        (["train", ".", "--epochs", "1", "--steps", "1"], 2, "one of epochs, steps and time"),
        (["embed", "random:resnet_mini", "photoz"], 2, "must be an existing folder"),
        (
            ["embed", "random:resnet_mini", ".", "-o", "x.feather"],
            2,
            "must end in .parquet, .csv",
        ),
        (["export", "nowhere", "-o", "x.pth"], 2, "must end in .safetensors or .onnx"),
        (["evaluate", "pixels", "--test", "photoz"], 2, "must be an existing folder"),
        (["methods"], 0, "moco-v3"),
        (["methods", "--table"], 0, "which fits which"),
    ],
)
def test_an_answer_needs_no_torch(words, code, says):
    script = WATCH.format(words=words)
    words = [sys.executable, "-c", script]
    done = subprocess.run(words, check=False, capture_output=True, text=True)
    assert f"left with {code} []" in done.stdout
    assert says in done.stdout + " ".join(done.stderr.split())


def test_the_catalogue_is_what_the_code_says():
    assert catalogue.made() == names.catalogue(), "call `make docs`"


def test_names_that_are_known_pass():
    options = (
        {"hidden": "8", "recipe": "resnet"},
        {"weighting": "1"},
        {},
        {"lr": "1"},
        {"rank": "8"},
    )
    check_names("moco-v3", "sdmp", None, options)
    with pytest.raises(UserError, match="tune: --set needs one of its fields, got 'ranks'"):
        check_names("moco-v3", None, None, ({}, {}, {}, {}, {"ranks": "8"}))
    check_names("simclr", None, "neighbours:5", ({}, {}, {"k": "3"}, {}, {}))


def test_paths_may_name_parts_and_patterns(tmp_path):
    (tmp_path / "photos").mkdir()
    (tmp_path / "a.parquet").touch()
    check_paths([f"{tmp_path}/photos", f"{tmp_path}/a.parquet:train", f"{tmp_path}/*.parquet"])
    with pytest.raises(UserError, match=r"did you mean .*/photos\?"):
        check_paths([f"{tmp_path}/photoz"])


def test_a_verdict_needs_more_than_chance():
    others = {"raw pixels": 0.30, "the same network untrained": 0.25}
    assert verdict(0.60, others, 500).endswith("The encoder beats both")
    near = verdict(0.33, others, 500)
    assert "does not beat raw pixels by more than chance" in near
    assert "k-NN accuracy on 500 of its labelled images: 33.0 %; raw pixels 30.0 %" in near
    assert "raw pixels and the same network" in verdict(0.2, others, 500)


def test_a_verdict_says_whether_labels_were_learned_from():
    others = {"raw pixels": 0.3}
    assert "; labels were not learned from. The encoder" in verdict(0.6, others, 500)
    taught = verdict(0.6, others, 500, taught=True)
    assert (
        "; labels were learned from, so that only other images say what it is worth" in taught
    )


def test_a_recipe_and_the_training_of_it_load_no_library_before_it_is_needed():
    heavy = {"timm", "scipy.optimize", "scipy.stats"}
    code = f"import sys, ilk.train.fit, ilk.methods.byol; print({heavy} & sys.modules.keys())"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert (done.stdout, done.stderr) == ("set()\n", "")
