"""--quiet prints nothing but errors, --json nothing but one object; the same for every verb."""

import io
import json
import re
import sys
from pathlib import Path

import pytest

from ilk.cli import VERBS
from tests.cli.conftest import TINY, status

STEPS = (*TINY, "--steps", 1)


def commands(folder, run, tmp_path):
    """A command line of each verb that has a result, and a word of its answer."""
    parts = ("--train", folder / "train", "--test", folder / "test", "--protocols", "knn")
    data = folder / "train"
    return {
        "train": (("train", data, *STEPS, "-o", tmp_path / "run"), "run"),
        "dry": (("train", data, *STEPS, "--dry-run"), "settings"),
        "embed": (("embed", run, folder / "test", "-o", tmp_path / "v.parquet"), "vectors"),
        "evaluate": (("evaluate", run, *parts, "-o", tmp_path / "e.json"), "results"),
        "report": (("report", tmp_path / "e.json", "-o", tmp_path / "r.html"), "report"),
        "kin": (("kin", run, folder / "test", "-o", tmp_path / "k.html"), "page"),
        "methods": (("methods",), "method"),
        "method": (("methods", "byol"), "needs"),
        "table": (("methods", "--table"), "fits"),
        "export": (
            ("export", "random:mobilenetv3_small_050", "-o", tmp_path / "m.safetensors"),
            "network",
        ),
        "compare": (
            ("compare", data, "--methods", "byol", "--seeds", 1, *parts, *STEPS, "-o",
             tmp_path / "c"),
            "rows",
        ),
    }  # fmt: skip


def test_json_is_all_that_standard_output_holds_and_quiet_holds_nothing(
    ilk, folder, run, tmp_path
):
    for word, (words, key) in commands(folder, run, tmp_path / "json").items():
        said = ilk(*words, "--json")
        assert said.code == 0, (word, said.err)
        assert key in json.loads(said.out), word
    for word, (words, _) in commands(folder, run, tmp_path / "quiet").items():
        said = ilk("--quiet", *words)
        assert (said.code, said.out, said.err) == (0, "", ""), word


def test_every_command_prints_all_it_has_to_say_in_ascii(folder, run, tmp_path, monkeypatch):
    monkeypatch.setenv("COLUMNS", "60")
    for word, (words, _) in commands(folder, run, tmp_path / "ascii").items():
        out = io.BytesIO()
        with monkeypatch.context() as patch:
            patch.setattr(sys, "stdout", io.TextIOWrapper(out, encoding="ascii"))
            patch.setattr(sys, "stderr", sys.stdout)
            assert status(patch, *words) == 0, word
            sys.stdout.flush()
            text = out.getvalue().decode("ascii")
        assert text, word
        assert not re.search(r"\\[xu][0-9a-f]{2}", text), (word, text)


def test_json_has_the_numbers_that_are_kept(ilk, folder, run):
    parts = ("--train", folder / "train", "--test", folder / "test", "--protocols", "knn")
    words = ("evaluate", run, *parts, "--against", "pixels", "-o", "e.json")
    said = ilk(*words, "--json", "--quiet")
    kept = json.loads(Path("e.json").read_text())
    content = json.loads(said.out)
    assert said.err == ""
    assert content["file"] == "e.json"
    assert [one["value"] for one in content["results"]] == [
        one["value"] for one in kept["results"]
    ]
    assert [one["name"] for one in content["results"]] == [str(run), "pixels"]
    assert content["comparisons"] == kept["comparisons"]


@pytest.mark.parametrize("flag", ["--quiet", "--json"])
def test_errors_are_always_printed(ilk, folder, flag):
    said = ilk("train", "nowhere", flag)
    assert (said.code, said.out) == (2, "")
    assert said.err.startswith("ilk: ")
    unknown = ilk("train", folder / "train", flag, "--speed", 1)
    assert (unknown.code, unknown.out) == (2, "")
    assert "--speed" in unknown.err


def test_a_resumed_run_takes_them_too(ilk, folder, tmp_path):
    run = tmp_path / "run"
    assert ilk("train", folder / "train", *STEPS, "-o", run, "--quiet").code == 0
    said = ilk("train", "--resume", run, "--quiet")
    assert said.code == 2
    assert "the run is complete" in said.err


@pytest.mark.parametrize("verb", [v for v in VERBS if v != "completion"])
def test_help_names_both(ilk, verb):
    said = ilk(verb, "--help")
    assert "--quiet" in said.out
    assert "--json" in said.out
