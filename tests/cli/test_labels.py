"""Labels that do not serve are found before a network is loaded or an image is embedded."""

import json
import shutil
from pathlib import Path

import pytest

from ilk.cli import demo, sides


@pytest.fixture
def nothing_runs(monkeypatch):
    """Whatever takes long fails the test."""

    def ran(*words, **more):
        pytest.fail("it was begun")

    monkeypatch.setattr(sides, "named_encoder", ran)
    monkeypatch.setattr(demo, "_train", ran)


@pytest.fixture
def places(folder, tmp_path):
    """Sets of images that do not fit each other, by name."""
    made = {name: tmp_path / name for name in ("flat", "others", "more", "one")}
    for place in made.values():
        place.mkdir()
    files = sorted((folder / "test").rglob("*.png"))
    for number, file in enumerate(files):
        shutil.copy(file, made["flat"])
        for name, label in (("others", f"class{number % 2}"), ("more", file.parent.name)):
            (made[name] / label).mkdir(exist_ok=True)
            shutil.copy(file, made[name] / label)
    (made["more"] / "zebra").mkdir()
    shutil.copy(files[0], made["more"] / "zebra")
    shutil.copytree(folder / "test" / "bird", made["one"] / "bird")
    (tmp_path / "map.json").write_text(json.dumps({"bird": ["phoenix"]}))
    return {**made, "train": folder / "train", "test": folder / "test",
            "map": tmp_path / "map.json"}  # fmt: skip


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ("--train {train} --test {flat}", "test must have labels, none of its 20 images has"),
        ("--train {flat} --test {test}", "train must have labels, none of its 20 images has"),
        ("--train {train} --test {others}", "must have the same class names"),
        ("--train {train} --test {more}", "every class of test must be in train, 'zebra' not"),
        ("--test {test}", "knn@1 needs labelled images to train on, got none; give train"),
        ("--train {train} --test {one}", "test must have labels, none of its 2 images has"),
        ("--train {train} --test {train}", "must not share images, 40 of 40"),
        ("--train {train} --test {test} --class-map {map}", "'phoenix' is not"),
        ("--protocols retrieval --test {test} --class-map {map}", "must have --train beside"),
        ("--train {train} --test {test} --gallery {train}", "--gallery: is for retrieval, got"),
        ("--protocols retrieval --test {test} --gallery {flat}", "gallery must have labels"),
        ("--protocols retrieval --test {test} --gallery {others}", "have the same class names"),
        ("--protocols quality,cluster --test {flat}", "test must have labels"),
    ],
)
def test_evaluate_looks_at_labels_first(ilk, places, nothing_runs, words, says):
    said = ilk("evaluate", "random:resnet_mini", *words.format(**places).split())
    assert said.code == 2
    assert says in said.err
    assert said.err.count("\n") == 1


@pytest.mark.parametrize(
    "words",
    [
        "--protocols quality --test {flat}",
        "--protocols quality --train {test} --test {test}",
        "--protocols cluster --train {flat} --test {test}",
    ],
)
def test_what_a_protocol_does_not_use_need_not_fit(ilk, places, words):
    said = ilk("evaluate", "pixels", *words.format(**places).split())
    assert said.code == 0, said.err


def test_an_encoder_that_cannot_be_trained_is_not_embedded_with(ilk, places, monkeypatch):
    monkeypatch.setattr(sides, "_embedded", lambda *_: pytest.fail("it was begun"))
    words = "--protocols knn,finetune-1 --train {train} --test {test}".format(**places)
    said = ilk("evaluate", "pixels", *words.split())
    assert said.code == 2
    assert "finetune-1@1 needs an encoder with weights to train, got pixels" in said.err


def test_a_comparison_looks_at_labels_before_it_trains(ilk, places):
    words = "--methods moco-v3 --train {train} --test {others} -o both".format(**places)
    said = ilk("compare", places["train"], *words.split())
    assert said.code == 2
    assert "must have the same class names" in said.err
    assert not Path("both").exists()


def test_the_demo_looks_at_labels_before_it_trains(ilk, places, nothing_runs, tmp_path):
    for part, name in (("train", "train"), ("test", "others")):
        shutil.copytree(places[name], tmp_path / "own" / part)
    said = ilk("demo", "--data", tmp_path / "own")
    assert said.code == 2
    assert "must have the same class names" in said.err
    assert not Path("runs/demo/run.json").exists()
