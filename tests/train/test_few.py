"""A run with few labels from beginning to end: labels, resuming, predictions, scores."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from safetensors.torch import save_file

from ilk import Learner
from ilk.core import UserError
from ilk.data import labels, open_source
from ilk.embedding import embed, predict_to_table, table
from ilk.evaluate import Images, evaluate
from ilk.learner.work import coded
from ilk.networks import load_classifier, load_encoder, save_learned
from ilk.train import Interrupted, open_images, read_record, resume, train
from ilk.train.loop.monitor import signs
from ilk.train.setup import Setup
from tests.train.conftest import TINY, Witness
from tests.train.test_resume import StopAt, same

GIVEN = {
    "method": "fixmatch", "method_options": {"ratio": "3", "threshold": "0.2"}, "mix": None,
    "knn_every": 0, "steps": 4,
}  # fmt: skip


@pytest.fixture(scope="module")
def few(tmp_path_factory):
    """photos/ with 32 images in four classes, of which two classes stand in labels.csv."""
    import cv2

    place = tmp_path_factory.mktemp("few")
    chance = np.random.default_rng(0)
    (place / "photos").mkdir()
    for number in range(32):
        tint = np.array([(200, 60, 60), (60, 60, 200)][number % 2])
        pixels = np.clip(tint + chance.integers(-40, 40, (32, 32, 3)), 0, 255)
        cv2.imwrite(str(place / "photos" / f"{number:02}.png"), pixels.astype(np.uint8))
    rows = [f"photos/{number:02}.png,{'red' if number % 2 else 'blue'}" for number in range(6)]
    (place / "labels.csv").write_text("\n".join(["path,label", *rows, "photos/09.png,"]))
    return place


@pytest.fixture(scope="module")
def run(few) -> Path:
    """A finished run."""
    from ilk.train import Settings

    settings = Settings(**{**TINY, **GIVEN, "labels": str(few / "labels.csv")})
    train(settings, str(few / "photos"), few / "run", Witness())
    return few / "run"


def test_a_stopped_run_goes_on_bit_for_bit_with_its_labels(tiny, few, run, tmp_path):
    settings = tiny(**GIVEN, labels=str(few / "labels.csv"))
    with pytest.raises(Interrupted):
        train(settings, str(few / "photos"), tmp_path / "cut", StopAt(2))
    resume(tmp_path / "cut", Witness())
    assert same(run, tmp_path / "cut")
    ours, theirs = (load_classifier(at, load_encoder(at)) for at in (run, tmp_path / "cut"))
    assert ours.fingerprint == theirs.fingerprint
    assert read_record(run)["data"]["items"] == 32 + 6


def test_a_run_whose_labels_have_changed_does_not_go_on(tiny, few, tmp_path):
    own = shutil.copytree(few / "photos", tmp_path / "photos")
    table = tmp_path / "labels.csv"
    shutil.copy(few / "labels.csv", table)
    with pytest.raises(Interrupted):
        train(tiny(**GIVEN, labels=str(table)), str(own), tmp_path / "cut", StopAt(2))
    table.write_text(table.read_text().replace("photos/01.png,red", "photos/01.png,blue"))
    with pytest.raises(UserError, match="must hold what it held when the run began"):
        resume(tmp_path / "cut", Witness())


def test_classes_of_every_image_are_written(few, run, tmp_path, monkeypatch):
    monkeypatch.setattr(table, "PIECE", 8)
    (few / "photos" / "32.png").write_bytes(b"no image")
    try:
        source, encoder = open_source(str(few / "photos")), load_encoder(run)
        classifier = load_classifier(run, encoder)
        assert classifier.classes == ("blue", "red")
        out = predict_to_table(
            encoder, classifier, source, tmp_path / "p.parquet", batch_size=5
        )
        found = pq.read_table(out)
        assert found.column_names == [
            "key", "content", "width", "height", "folder", "class", "probability", "margin"
        ]  # fmt: skip
        vectors = torch.from_numpy(embed(encoder, source).vectors).double()
        scores = vectors @ classifier.weight.double().T + classifier.bias.double()
        for row, score in zip(found.to_pylist(), scores, strict=True):
            p = [float(s.exp() / score.exp().sum()) for s in score]
            assert row["class"] == classifier.classes[int(np.argmax(p))]
            assert row["probability"] == pytest.approx(max(p), abs=1e-6)
            assert row["margin"] == pytest.approx(max(p) - min(p), abs=1e-6)
        assert json.loads(found.schema.metadata[b"ilk"])["bad"][0]["key"] == "32.png"
        with pytest.raises(UserError, match="must have been made with the same"):
            predict_to_table(
                encoder, classifier, source, tmp_path / "shards", shard_rows=8
            ) and predict_to_table(
                encoder, classifier, source, tmp_path / "shards", shard_rows=9
            )
        rows = predict_to_table(encoder, classifier, source, tmp_path / "p.csv").read_text()
        assert rows.splitlines()[0].endswith('"class","probability","margin"')
    finally:
        (few / "photos" / "32.png").unlink()


@pytest.mark.parametrize("ending", ["parquet", "csv", "npz"])
def test_what_stops_predictions_is_said_of_predictions(few, run, tmp_path, ending):
    encoder = load_encoder(run)
    classifier, out = load_classifier(run, encoder), tmp_path / f"p.{ending}"
    with pytest.raises(UserError, match=r"^predict: .* no good one; first .*"):
        predict_to_table(encoder, classifier, open_source([b"no image"]), out)
    write = table.SAVE[ending]
    with pytest.raises(UserError, match="^predict: .* must be writable, got"):
        write(run / "run.json" / "p", [], pa.schema([], {"ilk": "{}"}), "predict")
    with torch.no_grad():
        next(encoder.module.parameters()).fill_(float("nan"))
    with pytest.raises(UserError, match="^predict: vectors must be finite"):
        predict_to_table(encoder, classifier, open_source(str(few / "photos")), out)


def test_the_classifier_of_a_run_is_scored_as_it_stands(few, run):
    encoder = load_encoder(run)
    classifier = load_classifier(run, encoder)
    truth = ["blue", "red"] * 16
    test = open_source(([few / "photos" / f"{n:02}.png" for n in range(8, 32)], truth[8:]))
    learned = open_source(([few / "photos" / f"{n:02}.png" for n in range(6)], truth[:6]))
    images = Images(encoder=encoder, train=learned, test=test, classifier=classifier)
    parts = embed(encoder, learned), embed(encoder, test)
    (result,) = evaluate(*parts, ["classify"], images=images)
    named = classifier.probabilities(torch.from_numpy(parts[1].vectors)).argmax(1)
    right = np.array([classifier.classes[k] for k in named.tolist()]) == truth[8:]
    assert result.value == pytest.approx(right.mean())
    each = [right[::2].mean(), right[1::2].mean()]
    assert result.details["balanced_accuracy"] == pytest.approx(np.mean(each))
    assert result.interval is not None
    other = open_source(
        ([few / "photos" / "08.png", few / "photos" / "09.png"], ["owl", "red"])
    )
    known = open_source(
        ([few / "photos" / "00.png", few / "photos" / "01.png"], ["owl", "red"])
    )
    images = Images(encoder=encoder, train=known, test=other, classifier=classifier)
    with pytest.raises(UserError, match="one that the run has learned, 'owl' not"):
        evaluate(embed(encoder, known), embed(encoder, other), ["classify"], images=images)
    images = Images(encoder=encoder, train=learned, test=test)
    with pytest.raises(UserError, match="needs a run that has learned classes"):
        evaluate(*parts, ["classify"], images=images)


def test_a_classifier_is_data_and_must_be_whole(run, tmp_path):
    encoder = load_encoder(run)
    for name in ("encoder.safetensors", "classifier.safetensors"):
        shutil.copy(run / name, tmp_path)
    file = tmp_path / "classifier.safetensors"
    whole = file.read_bytes()
    for broken, message in (
        (whole[:-5], "must be whole"),
        (whole.replace(b"blue", b"bleu"), "other bytes than its fingerprint"),
        (whole.replace(encoder.fingerprint.encode(), b"0" * 32), "fingerprint"),
    ):
        file.write_bytes(broken)
        with pytest.raises(UserError, match=message) as caught:
            load_classifier(tmp_path, encoder)
        assert "\n" not in str(caught.value)
    save_file({"weight": torch.zeros(2, 3)}, file)
    with pytest.raises(UserError, match="classifier"):
        load_classifier(tmp_path, encoder)
    file.unlink()
    with pytest.raises(UserError, match="must be a run that learned classes"):
        load_classifier(tmp_path, encoder)


@pytest.mark.parametrize("classes", [(), ("a", "a"), ("\ud800", "b")])
def test_names_of_classes_must_be_some_and_different(run, tmp_path, classes):
    encoder = load_encoder(run)
    known = load_classifier(run, encoder)
    other = replace(
        known, classes=classes,
        weight=known.weight[: len(classes)], bias=known.bias[: len(classes)],
    )  # fmt: skip
    save_learned(encoder, other, tmp_path)
    with pytest.raises(UserError, match="classes must be one or more names") as caught:
        load_classifier(tmp_path, encoder)
    str(caught.value).encode()


@pytest.mark.parametrize("kind", ["numbers", "names"])
def test_a_learner_learns_classes_and_tells_them(pictures, tmp_path, kind):
    images, labels = pictures
    known = np.where(np.arange(32) < 20, labels + 5, -1)
    y = known if kind == "numbers" else [f"c{k}" if k >= 0 else "" for k in known]
    given = {name: value for name, value in {**TINY, **GIVEN}.items() if value is not None}
    learner = Learner(**{**given, "verbose": False, "directory": tmp_path / "run"}).fit(
        images, y
    )
    classes = [5, 6, 7, 8] if kind == "numbers" else ["c5", "c6", "c7", "c8"]
    assert learner.classes_.tolist() == classes
    shares = learner.predict_proba(images)
    assert shares.shape == (32, 4)
    np.testing.assert_allclose(shares.sum(axis=1), 1, rtol=1e-5)
    assert learner.predict(images).tolist() == [classes[k] for k in shares.argmax(axis=1)]
    assert Learner.load(tmp_path / "run").predict(images).tolist() == [
        str(classes[k]) for k in shares.argmax(axis=1)
    ]
    if kind == "names":
        return
    with pytest.raises(UserError, match="y: must be one class for each of 32 images"):
        Learner(**given).fit(images, y[:5])
    with pytest.raises(UserError, match="whole numbers or names"):
        Learner(**given).fit(images, y * 0.5)
    with pytest.raises(
        UserError, match="y: must have two classes at least for fixmatch, got 0"
    ):
        Learner(**given).fit(images, -np.ones(32))
    with pytest.raises(UserError, match="y: must be left out, for labels says which images"):
        Learner(**given, labels="labels.csv").fit(images, y)
    for method in ("fixmatch", "moco-v3"):
        with pytest.raises(UserError, match="must be fitted first"):
            Learner(method).predict(images)


@pytest.mark.parametrize(
    ("y", "classes", "codes"),
    [
        ([2.0, float("nan"), 0.0, -1.0], [0, 2], [1, -1, 0, -1]),
        (["b", None, "a", ""], ["a", "b"], [1, -1, 0, -1]),
        (np.array(["b", float("nan"), "a", None], object), ["a", "b"], [1, -1, 0, -1]),
        (np.array([3, None, 1, -1], object), [1, 3], [1, -1, 0, -1]),
        (np.array([b"b", b"", b"a", b""]), ["a", "b"], [1, -1, 0, -1]),
        ([True, False, True, True], [False, True], [1, 0, 1, 1]),
        (np.full(4, np.nan), [], [-1] * 4),
        ([0.5, 1.0, 0.0, 0.0], "must be whole numbers or names, got 0.5", None),
        (np.array([1, "a", 0, 0], object), "must be whole numbers or names, got both", None),
    ],
)
def test_classes_of_any_kind(y, classes, codes):
    if codes is None:
        with pytest.raises(UserError, match=classes):
            coded(y, 4)
        return
    names, found = coded(y, 4)
    assert (names.tolist(), found.tolist()) == (classes, codes)


def test_a_trial_draws_batches_as_the_run_does_where_it_can(tiny, few):
    settings = tiny(**{**GIVEN, "method": "supervised", "method_options": {}, "batch_size": 4})
    source = open_images(replace(settings, labels=str(few / "labels.csv")), str(few / "photos"))
    known = labels(source) >= 0
    (batch,) = Setup(settings, source, sampled=False).loader.batches(0, 1)
    assert known[batch.items].all()
    larger = replace(settings, batch_size=16)  # of 6 labelled images
    (batch,) = Setup(larger, source, sampled=False).loader.batches(0, 1)
    assert len(batch.items) == 16
    with pytest.raises(
        UserError, match="of which 6 have a known label, a batch must have 6 at"
    ):
        Setup(larger, source)


def test_signs_of_a_view_without_rows_are_left_out(tiny, few):
    settings = tiny(**{**GIVEN, "method": "supervised", "method_options": {}, "batch_size": 4})
    source = open_images(replace(settings, labels=str(few / "labels.csv")), str(few / "photos"))
    made = Setup(settings, source)
    made.loader.sampled = lambda step: np.flatnonzero(labels(source) < 0)[:4]
    (batch,) = made.loader.batches(0, 1)
    result = made.trainer.take_step([batch], made.length.progress(0))
    assert "feature_std" not in signs(made.method, result.context)
