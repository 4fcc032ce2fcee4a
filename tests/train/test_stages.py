"""Runs of several stages: what each begins with, what is kept, and going on in any of them."""

import json
import shutil
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from ilk import Learner
from ilk.core import UserError
from ilk.data import labels, open_source
from ilk.method import PseudoLabels, typed_changes
from ilk.networks import load_classifier, load_encoder
from ilk.train import (
    Interrupted,
    Settings,
    dry_run,
    open_images,
    read_record,
    resume,
    settings_asked,
    train,
)
from ilk.train import stages as module
from ilk.train.assemble import method_without_weights
from ilk.train.images import label_words
from ilk.train.records.record import recorded_settings
from tests.processes import ranks
from tests.train.conftest import TINY, Witness
from tests.train.test_resume import StopAt, same

GIVEN = {
    "method": "noisy-student", "mix": None, "knn_every": 0, "steps": 3,
    "method_options": {"rounds": "2", "threshold": "0.2", "min_scale": "0.5", "momentum": "0.5",
                       "ratio": "1"},
}  # fmt: skip
FEW_STEPS = {**TINY, **GIVEN, "method_options": {**GIVEN["method_options"], "rounds": "1"}}
LAST, TABLE = Path("stages"), "pseudo-labels.parquet"


@pytest.fixture(scope="module")
def few(tmp_path_factory) -> Path:
    """photos/ with 24 images of two classes that monitors know; four stand in labels.csv."""
    import cv2

    place = tmp_path_factory.mktemp("stages")
    chance = np.random.default_rng(0)
    for number in range(24):
        title = ("blue", "red")[number % 2]
        tint = np.array([(200, 60, 60), (60, 60, 200)][number % 2])
        pixels = np.clip(tint + chance.integers(-40, 40, (32, 32, 3)), 0, 255)
        (place / "photos" / title).mkdir(parents=True, exist_ok=True)
        name = f"{title}/{number:02}.png"
        cv2.imwrite(str(place / "photos" / name), pixels.astype(np.uint8))
        with (place / "labels.csv").open("a") as table:
            table.write("path,label\n" * (number == 0) + f"{name},{title}\n" * (number < 4))
    return place


@pytest.fixture(scope="module")
def settings(few):
    return Settings(**{**TINY, **GIVEN, "labels": str(few / "labels.csv")})


@pytest.fixture(scope="module")
def run(few, settings) -> Path:
    """A finished run of a teacher and two students."""
    train(settings, str(few / "photos"), few / "run", Witness())
    return few / "run"


def test_every_student_learns_from_the_network_before_it(few, settings, run):
    places = [run / LAST / "teacher", run / LAST / "student-1", run]
    assert sorted(p.name for p in (run / LAST).iterdir()) == ["student-1", "teacher"]
    for place, before in zip(places[1:], places, strict=False):
        made = json.loads(pq.read_schema(before / TABLE).metadata[b"ilk"])["made"]
        encoder = load_encoder(before)  # the moving average is what is kept
        assert made["encoder"] == encoder.fingerprint
        assert made["classifier"] == load_classifier(before, encoder).fingerprint
        record = read_record(place)
        taught = recorded_settings(record)
        assert taught.method_options["pseudo_labels"] == str(before / TABLE)
        assert record["data"]["items"] == len(open_images(taught, str(few / "photos")))
    assert "pseudo_labels" not in read_record(places[0])["settings"]["method_options"]
    assert not (run / TABLE).exists()
    kept = load_encoder(places[0]).fingerprint, load_encoder(places[1]).fingerprint
    assert len({*kept, load_encoder(run).fingerprint}) == 3
    # A teacher learns from the four labelled images; no batch holds one twice.
    assert read_record(places[0])["settings"]["batch_size"] == 4
    assert settings_asked(run, read_record(run)) == settings.as_record()


def test_the_labels_of_a_stage_are_those_of_its_table(few, run):
    taught = recorded_settings(read_record(run))
    source = open_images(taught, str(few / "photos"))
    rows = pq.read_table(run / LAST / "student-1" / TABLE).to_pylist()
    assert [row["key"] for row in rows] == [
        key for key in map(open_source(str(few / "photos")).key, range(24))
        if key.partition("/")[2] not in {"00.png", "01.png", "02.png", "03.png"}
    ]  # fmt: skip
    by_key = {row["key"]: row for row in rows}
    known = source.fact("pseudo-label")
    assert (labels(source)[:4] >= 0).all()
    assert (known.values[:4] == -1).all()
    for index in range(4, len(source)):
        row = by_key[source.key(index)]
        assert source.label(index) == -1
        assert source.classes[known.values[index]] == row["class"]
        assert known.shares[index].tolist() == row["probabilities"]
        assert row["probability"] >= 0.2
        assert max(row["probabilities"]) == pytest.approx(row["probability"], abs=1e-3)
    counts = np.bincount(known.values[4:], minlength=2)
    assert counts.max() - counts.min() <= 2  # balanced, but for what is left to chance


def test_what_became_of_predictions_is_recorded(few, run):
    entries = json.loads((run / "stages.json").read_text())["stages"]
    assert [entry["name"] for entry in entries] == ["teacher", "student-1", "student-2"]
    assert "labels" not in entries[0]
    for entry, place in zip(entries[1:], ("teacher", "student-1"), strict=True):
        rows = pq.read_table(run / LAST / place / TABLE).to_pylist()
        right = [row["class"] == row["key"].partition("/")[0] for row in rows]
        sure = [row["probability"] >= 0.2 for row in rows]
        found = entry["labels"]
        assert (found["by"], found["images"], found["reached"]) == (place, 20, sum(sure))
        assert found["accuracy"] == pytest.approx(np.mean(right))
        assert found["accuracy_reached"] == pytest.approx(np.mean(np.array(right)[sure]))
        assert found["different"] <= found["taken"]
        commonest = max(Counter(row["class"] for row in rows).values())
        assert found["commonest"] == pytest.approx(commonest / 20)


def test_labels_that_are_nearly_all_of_one_class_are_told():
    labels = {"by": "joint", "images": 100, "reached": 100, "taken": 100, "different": 100}
    assert label_words({**labels, "commonest": 0.9}) == label_words(labels)
    added = "; 99.0% of all are of one class, so they say little"
    assert label_words({**labels, "commonest": 0.99}) == label_words(labels) + added


class StopInStage(StopAt):
    """Asks the run to stop at a step of a stage, which has a record once it has begun."""

    def __init__(self, directory: Path, stage: int, step: int) -> None:
        super().__init__(step)
        self.directory, self.stage = directory, stage

    def on_step(self, step, steps, numbers):
        if len(list(self.directory.rglob("run.json"))) == self.stage:
            super().on_step(step, steps, numbers)


@pytest.mark.parametrize("stage", [1, 3])
def test_a_run_that_is_stopped_in_a_stage_goes_on_there(few, settings, run, tmp_path, stage):
    cut = tmp_path / "cut"
    with pytest.raises(Interrupted):
        train(settings, str(few / "photos"), cut, StopInStage(cut, stage, 2))
    assert (cut / "run.json").exists() == (stage == 3)
    kept = {p: p.stat().st_mtime_ns for p in cut.rglob("encoder.safetensors")}
    witness = Witness()
    resume(cut, witness)
    said = [message for message in witness.messages if message.startswith("stage ")]
    assert len(said) == 4 - stage
    assert same(cut, run)
    finished = [cut / LAST / name for name in ("teacher", "student-1")][: stage - 1]
    assert all(p.stat().st_mtime_ns == kept[p] for place in finished
               for p in place.glob("encoder.safetensors"))  # fmt: skip
    with pytest.raises(UserError, match="must be unfinished, but the run is complete"):
        resume(cut, Witness())


BAD = ("red/01.png", "blue/10.png")  # a labelled one, which the first stage meets, another one


@pytest.fixture(scope="module")
def damaged(few, settings) -> Path:
    """photos/ of which two files are bad, and a finished run on them."""
    place = few / "damaged"
    shutil.copytree(few / "photos", place / "photos")
    for name in BAD:
        (place / "photos" / name).write_bytes(b"no image")
    train(replace(settings, batch_size=2), str(place / "photos"), place / "run", Witness())
    return place


@pytest.mark.parametrize(("stage", "mend"), [(1, True), (2, False), (3, True)])
def test_mending_listed_bad_files_locks_no_run_in_any_stage(
    damaged, settings, tmp_path, stage, mend
):
    photos = shutil.copytree(damaged / "photos", tmp_path / "photos")
    settings, cut = replace(settings, batch_size=2), tmp_path / "cut"
    bad = [photos / name for name in BAD]
    with pytest.raises(Interrupted):
        train(settings, str(photos), cut, StopInStage(cut, stage, 2))
    if mend:
        for path in bad[: 1 if stage == 1 else 2]:
            shutil.copy(photos / "blue" / "00.png", path)
    else:  # every row of the labels must name an image
        bad[1].unlink()
    resume(cut, Witness())
    assert same(cut, damaged / "run")
    found = json.loads((cut / "stages.json").read_text())["bad_files"]
    assert {entry["key"] for entry in found} == set(BAD)


def test_what_is_listed_as_bad_outlives_another_stop(damaged, settings, tmp_path, monkeypatch):
    photos = shutil.copytree(damaged / "photos", tmp_path / "photos")
    settings, cut = replace(settings, batch_size=2), tmp_path / "cut"
    with pytest.raises(Interrupted):
        train(settings, str(photos), cut, StopInStage(cut, 2, 2))
    (photos / BAD[1]).unlink()

    def killed(*given, **more):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(module, "predict_to_table", killed)
        with pytest.raises(KeyboardInterrupt):
            resume(cut, Witness())
    resume(cut, Witness())
    assert same(cut, damaged / "run")


def test_taking_away_other_files_of_a_run_of_stages_is_refused(few, settings, tmp_path):
    photos = shutil.copytree(few / "photos", tmp_path / "photos")
    (photos / "blue" / "10.png").write_bytes(b"no image")
    cut = tmp_path / "cut"
    with pytest.raises(Interrupted):
        train(settings, str(photos), cut, StopInStage(cut, 2, 2))
    (photos / "blue" / "10.png").unlink()
    (photos / "blue" / "12.png").unlink()
    with pytest.raises(UserError, match="what it held when the run began"):
        resume(cut, Witness())
    damaged = json.loads((cut / "stages.json").read_text())
    damaged["data"].pop("items")
    (cut / "stages.json").write_text(json.dumps(damaged))
    with pytest.raises(UserError, match="stages.json: data"):
        resume(cut, Witness())


def test_a_run_that_is_killed_while_it_labels_goes_on(
    few, settings, run, tmp_path, monkeypatch
):
    labelled = module.predict_to_table

    def killed(*given, **more):
        raise KeyboardInterrupt

    monkeypatch.setattr(module, "predict_to_table", killed)
    with pytest.raises(KeyboardInterrupt):
        train(settings, str(few / "photos"), tmp_path / "cut", Witness())
    assert not (tmp_path / "cut" / LAST / "student-1").exists()
    monkeypatch.setattr(module, "predict_to_table", labelled)
    resume(tmp_path / "cut", Witness(), workers=2)
    assert same(tmp_path / "cut", run)


def test_what_cannot_be_done_is_said(few, settings, run, tmp_path):
    photos = str(few / "photos")
    with pytest.raises(UserError, match="must not hold a run, but there is one"):
        train(settings, photos, run, Witness())
    with pytest.raises(UserError, match="must not hold a run, but there is one"):
        train(replace(settings, method="fixmatch", method_options={}), photos, run, Witness())
    none = replace(settings, method_options={"rounds": "0"})
    with pytest.raises(UserError, match="noisy-student: rounds must be at least 1, got 0"):
        train(none, photos, tmp_path / "none", Witness())
    assert not (tmp_path / "none").exists()
    sure = {**settings.method_options, "threshold": "1.0"}
    with pytest.raises(
        UserError, match=r"must hold predictions of a probability of 1 at least"
    ) as unsure:
        train(replace(settings, method_options=sure), photos, tmp_path / "sure", Witness())
    # What the teacher has learned is not lost: the line says how a student learns from it.
    table = tmp_path / "sure" / LAST / "teacher" / TABLE
    assert f'method_options={{"pseudo_labels": "{table}"}}' in str(unsure.value)
    taught = {**settings.method_options, "pseudo_labels": str(table)}
    train(replace(settings, method_options=taught), photos, tmp_path / "goes on", Witness())
    assert read_record(tmp_path / "goes on")["status"] == "finished"
    cut = shutil.copytree(run, tmp_path / "cut")
    (cut / "run.json").unlink()
    with pytest.raises(UserError, match="must keep its length, for it has several stages"):
        resume(cut, Witness(), epochs=9)
    known = replace(settings, labels=None)  # by folders, which all have a class
    for work in (lambda: train(known, photos, tmp_path / "all", Witness()),
                 lambda: dry_run(known, photos)):  # fmt: skip
        with pytest.raises(UserError, match="labelled by teacher, got 24 that all have one"):
            work()
    assert not (tmp_path / "all").exists()  # before a teacher is trained
    own = shutil.copytree(few / "photos", tmp_path / "photos")
    next(own.glob("red/*.png")).unlink()
    with pytest.raises(UserError, match="must hold what it held when the run began"):
        resume(cut, Witness(), str(own))


def test_no_record_makes_us_fetch_weights_or_look_at_devices(few, settings, tmp_path):
    photos = str(few / "photos")
    given = tmp_path / "given"
    plain = replace(settings, method="supervised", method_options={}, batch_size=4)
    train(plain, photos, given, Witness())
    cut = tmp_path / "cut"
    begun = replace(settings, weights=str(given), guard="off", steps=2)
    with pytest.raises(Interrupted):
        train(begun, photos, cut, StopInStage(cut, 2, 1))
    record = json.loads((cut / "stages.json").read_text())

    def asks(**changes):
        kept = record | {"settings": record["settings"] | changes}
        (cut / "stages.json").write_text(json.dumps(kept))

    shutil.rmtree(given)  # the start is kept in the run
    asks(weights="timm:resnet18")
    resume(cut, Witness())
    begins = [read_record(place)["settings"]["weights"] for place in (cut / LAST).iterdir()]
    assert set(begins) == {str(given)}
    kept = str(cut / LAST / "teacher" / "start.safetensors")
    assert read_record(cut)["settings"]["weights"] == kept
    (cut / "run.json").unlink()
    for place in (cut / LAST).iterdir():
        (place / "start.safetensors").unlink()
    with pytest.raises(UserError, match="the published weights that the run began with"):
        resume(cut, Witness())
    for changes, words in (
        ({"method": "fixmatch", "method_options": {}}, "must be of a method of several stages"),
        ({"weights": None, "labels": "/dev/zero"}, "must be a file or a folder, it is neither"),
        ({"backbone_options": {"checkpoint_path": "x"}}, "checkpoint_path"),
        ({"steps": "many"}, "steps must be"),
    ):
        asks(**changes)
        with pytest.raises(UserError, match=words):
            resume(cut, Witness())


def test_a_table_of_other_images_or_classes_is_refused(few, settings, run, tmp_path):
    table = tmp_path / TABLE
    shutil.copy(run / LAST / "teacher" / TABLE, table)
    options = {**settings.method_options, "pseudo_labels": str(table)}
    taught = replace(settings, method_options=options)
    open_images(taught, str(few / "photos"))
    own = shutil.copytree(few / "photos", tmp_path / "photos")
    next(own.glob("red/2*.png")).unlink()
    with pytest.raises(UserError, match="got other images"):
        open_images(taught, str(own))
    found = pq.read_table(table)
    at = found.column_names.index
    half = found.set_column(at("probability"), "probability", found.column("width").cast("f4"))
    owl = found.set_column(at("class"), "class", found.column("key"))
    for damaged in (found.slice(1), half, owl, found.drop_columns(["probabilities"]), None):
        if damaged is None:
            table.write_bytes(table.read_bytes()[:-9])
        else:
            pq.write_table(damaged, table)
        with pytest.raises(UserError, match=r"(pseudo-labels|embeddings): .* must") as caught:
            open_images(taught, str(few / "photos"))
        assert "\n" not in str(caught.value)
    table.unlink()
    with pytest.raises(UserError, match="must be a file or directory"):
        open_images(taught, str(few / "photos"))


def test_labels_that_are_not_given_change_no_stage(few, settings, run, tmp_path):
    """Folders of photos/ are classes, which monitors alone look at."""
    for place in sorted((few / "photos").rglob("*.png")):
        (tmp_path / "flat").mkdir(exist_ok=True)
        shutil.copy(place, tmp_path / "flat" / place.name)
    rows = (few / "labels.csv").read_text().replace("blue/", "").replace("red/", "")
    (tmp_path / "labels.csv").write_text(rows)
    plain = replace(settings, labels=str(tmp_path / "labels.csv"))
    train(plain, str(tmp_path / "flat"), tmp_path / "run", Witness())
    table = pq.read_table(tmp_path / "run" / LAST / "teacher" / TABLE)
    assert table.column("label").null_count == 20
    entry = json.loads((tmp_path / "run" / "stages.json").read_text())["stages"][1]["labels"]
    assert entry["images"] == 20
    assert "accuracy" not in entry


def test_moam_learns_all_then_its_labels_then_the_given_ones(few, settings, tmp_path):
    made = replace(
        settings, method="s4l-moam", steps=2, lr=0.02,
        method_options={"min_scale": "0.5", "momentum": "0.5"},
    )  # fmt: skip
    train(made, str(few / "photos"), tmp_path / "run", Witness())
    joint, retrained = (tmp_path / "run" / LAST / name for name in ("joint", "retrained"))
    last = tmp_path / "run"
    losses = {
        place: {
            name for line in (place / "metrics.jsonl").read_text().splitlines()
            for name in json.loads(line) if name.startswith("loss/")
        }
        for place in (joint, retrained, last)
    }  # fmt: skip
    every = {f"loss/{name}" for name in ("labelled", "rotation", "smoothness", "entropy")}
    assert losses == {joint: every, retrained: every | {"loss/pseudo"}, last: {"loss/labelled"}}
    found = [read_record(place)["settings"] for place in (joint, retrained, last)]
    assert [one["lr"] for one in found] == [0.02, 0.02, pytest.approx(0.002)]
    assert found[2]["weights"] == str(retrained)
    assert load_encoder(last / "start.safetensors").fingerprint == (
        load_encoder(retrained).fingerprint
    )
    assert found[2]["batch_size"] == 4  # of the labelled images


@pytest.mark.parametrize("named", [{}, {"lr": "0.03"}, {"name": "lars"}])
def test_the_last_stage_goes_on_with_the_optimiser_of_the_one_before(
    few, settings, tmp_path, named
):
    """A small network has another optimiser than the paper's; its rate is what is shared."""
    made = replace(
        settings, method="s4l-moam", steps=1, lr=None, optimiser_options=named,
        method_options={"min_scale": "0.5", "momentum": "0.5"},
    )  # fmt: skip
    train(made, str(few / "photos"), tmp_path / "run", Witness())
    places = (tmp_path / "run" / LAST / "retrained", tmp_path / "run")
    before, last = (
        typed_changes(
            method_without_weights(one).optimisation, "optimiser", one.optimiser_options
        )
        for one in (recorded_settings(read_record(place)) for place in places)
    )
    assert last.lr == pytest.approx(before.lr / 10)
    assert last.name == before.name == named.get("name", "sgd" if named else "adamw")


def test_a_plan_names_the_stages_and_is_that_of_the_first(few, settings):
    said: list[str] = []
    asked = replace(settings, batch_size=16)  # of four labelled images
    record = dry_run(asked, str(few / "photos"), said.append)
    assert record["stages"] == ["teacher", "student-1", "student-2"]
    assert record["settings"]["batch_size"] == 4
    assert "3, one after the other: teacher, student-1, student-2; the first" in said[0]
    alone = replace(asked, method="fixmatch", method_options={"ratio": "1"}, batch_size=4)
    assert "stages" not in dry_run(alone, str(few / "photos"), said.append)


def test_a_learner_goes_through_the_stages(pictures, tmp_path):
    images, known = pictures
    y = np.where(np.arange(32) < 12, known, -1)
    given = {name: value for name, value in {**TINY, **GIVEN}.items() if value is not None}
    given["method_options"] = {**given["method_options"], "rounds": 1}
    learner = Learner(**given, verbose=False, directory=tmp_path / "run").fit(images, y)
    assert (tmp_path / "run" / LAST / "teacher" / TABLE).exists()
    assert learner.predict(images).shape == (32,)
    again = Learner.load(tmp_path / "run")
    assert again.method_options == {**given["method_options"]}


def test_each_image_comes_as_often_as_its_class_needs():
    chance = np.random.default_rng(0)
    classes = chance.choice(4, 300, p=[0.6, 0.3, 0.08, 0.02])
    sure = chance.uniform(0.1, 1, 300)
    rule = PseudoLabels(table="t", threshold=0.3, balanced=True, per_class=50)
    times = np.bincount(rule.choose(classes, sure, seed=1), minlength=300)
    assert (times[sure < 0.3] == 0).all()
    for title in range(4):
        mine = (classes == title) & (sure >= 0.3)
        if mine.sum() >= 50:
            best = sorted(np.flatnonzero(mine), key=lambda i: -sure[i])[:50]
            assert np.flatnonzero(times * (classes == title)).tolist() == sorted(best)
            assert times[best].max() == 1
        else:
            assert set(times[mine]) <= {50 // mine.sum(), 50 // mine.sum() + 1}
    means = np.mean([
        np.bincount(classes[rule.choose(classes, sure, seed)], minlength=4)
        for seed in range(200)
    ], axis=0)  # fmt: skip
    np.testing.assert_allclose(means, 50, rtol=0.03)
    free = replace(rule, per_class=None)
    kept = int((sure >= 0.3).sum())
    assert len(free.choose(classes, sure, 0)) == pytest.approx(kept, rel=0.05)
    every = replace(rule, balanced=False)
    assert every.choose(classes, sure, 0).tolist() == np.flatnonzero(sure >= 0.3).tolist()
    assert len(rule.choose(classes, sure * 0, 0)) == 0
    wrong: list[dict[str, float]] = [
        {"threshold": 1.1}, {"threshold": -0.1}, {"threshold": float("nan")}, {"per_class": -1},
    ]  # fmt: skip
    for given in wrong:
        with pytest.raises(UserError, match=f"{next(iter(given))}: must be"):
            PseudoLabels(table="", **given)
        with pytest.raises(UserError, match=f"noisy-student: {next(iter(given))} must be"):
            method_without_weights(Settings(method="noisy-student", method_options=given))


@pytest.mark.xdist_group("ranks")
def test_two_processes_share_the_predictions_of_a_teacher(few, tmp_path):
    done = ranks("tests.train.stage_ranks", few, tmp_path)
    assert [rank.returncode for rank in done] == [0, 0], "".join(r.stderr[-3000:] for r in done)
    parts = sorted((tmp_path / "whole" / LAST / "teacher" / TABLE).iterdir())
    assert [part.name for part in parts] == [
        f"part-{number:05d}.parquet" for number in range(4)
    ]
    assert same(tmp_path / "stopped", tmp_path / "whole")
    source = open_images(
        recorded_settings(read_record(tmp_path / "whole")), str(few / "photos")
    )
    rows = [row for part in parts for row in pq.read_table(part).to_pylist()]
    by_key = {row["key"]: row["class"] for row in rows}
    known = source.fact("pseudo-label")
    assert len(by_key) == 20
    for index in range(4, len(source)):
        assert source.classes[known.values[index]] == by_key[source.key(index)]
    assert read_record(tmp_path / "whole")["processes"] == 2


def test_a_student_of_a_teacher_that_is_sure_of_little_has_a_small_batch(
    few, settings, tmp_path
):
    options = {**settings.method_options, "rounds": "1", "ratio": "3"}
    photos, first = str(few / "photos"), tmp_path / "teacher"
    train(
        replace(settings, method_options={**options, "threshold": "0"}),
        photos,
        first,
        Witness(),
    )
    sure = sorted(
        pq.read_table(first / LAST / "teacher" / TABLE).column("probability").to_pylist()
    )
    weak = {**options, "threshold": str(sure[-3]), "balanced": "False"}
    said: list[str] = []
    train(replace(settings, method_options=weak, batch_size=16), photos, tmp_path / "run",
          Witness(), said.append)  # fmt: skip
    record = read_record(tmp_path / "run")
    assert (record["status"], record["settings"]["batch_size"]) == ("finished", 4)
    assert "stage   student-1, 2 of 2: teacher labels 3 of 20 images, 3 with repetitions; " in (
        "\n".join(said)
    )
