"""``ilk look``: a page for a run, for a network by name, and what is refused."""

import json
from pathlib import Path

import pytest


def test_a_page_of_a_run_and_of_a_network(ilk, run, folder):
    said = ilk("look", run, folder / "test", "-o", "page.html", "--images", "3", "--json")
    assert said.code == 0, said.err
    answer = json.loads(said.out)
    assert answer["page"] == "page.html"
    assert len(answer["images"]) == 3
    page = Path("page.html").read_text()
    assert page.count("<img") == 9
    said = ilk(
        "look", "random:vit_mini", folder / "test", "--image-size", "32", "--images", "2"
    )
    assert said.code == 0, said.err
    assert "attention of the class token" in Path("look.html").read_text()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("-o", "page.png"), "must end in .html"),
        (("--images", "0"), "--images: must be 1 to 200"),
        (("--images", "201"), "--images: must be 1 to 200, which one page can show, got 201"),
    ],
)
def test_what_is_refused(ilk, run, folder, words, said):
    found = ilk("look", run, folder / "test", *words)
    assert found.code == 2
    assert said in found.err


@pytest.mark.parametrize(
    ("method", "chapter"),
    [
        ("simmim", "Reconstructions"),
        ("rotation", "Tasks and answers"),
        ("colorization", "Colours"),
        ("vicregl", "Places that are kin"),
    ],
)
def test_answers_of_a_run_stand_on_its_page_and_in_its_report(ilk, folder, method, chapter):
    made = ilk(
        "train", folder / "train", "--method", method, "--backbone", "resnet_mini",
        "--backbone-set", "widths=(8,16)", "--backbone-set", "depths=(1,1)", "--image-size",
        "32", "--batch-size", "8", "--workers", "1", "--steps", "1", "-o", "drawn",
    )  # fmt: skip
    assert made.code == 0, made.err
    for words in (("look", "drawn", folder / "test"), ("report", "drawn")):
        said = ilk(*words, "-o", "page.html")
        assert said.code == 0, said.err
        assert f"<h2>{chapter}</h2>" in Path("page.html").read_text()
