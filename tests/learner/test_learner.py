"""`Learner` keeps scikit-learn's manners."""

import pickle
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.utils import estimator_checks

from ilk import Learner
from ilk.core import UserError
from ilk.networks import load_encoder
from ilk.train import Collapsed, before, read_record
from tests.train.conftest import TINY

PARAMS = {
    "mix": "sdmp",
    "method_options": TINY["method_options"],
    "backbone": TINY["backbone"],
    "backbone_options": TINY["backbone_options"],
    "image_size": 32,
    "batch_size": 8,
    "steps": 3,
    "device": "cpu",
    "verbose": False,
}
COUNT = 24


@pytest.fixture(autouse=True)
def _temporary(tmp_path_factory, monkeypatch) -> None:
    """Runs without a directory of their own lie where pytest cleans up."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path_factory.mktemp("runs")))


@pytest.fixture(scope="module")
def images() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (COUNT, 32, 32, 3)).astype(np.uint8)


@pytest.fixture(scope="module")
def fitted(images, tmp_path_factory) -> Learner:
    run = tmp_path_factory.mktemp("learner") / "run"
    return Learner("moco-v3", **PARAMS, directory=run).fit(images)


@pytest.fixture
def files(images, tmp_path) -> list[Path]:
    made = [tmp_path / f"{number}.png" for number in range(4)]
    for file, pixels in zip(made, images, strict=False):
        Image.fromarray(pixels).save(file)
    return made


def test_a_mix_may_be_left_to_the_rule(images):
    learner = Learner("moco-v3", **PARAMS | {"mix": "auto"}).fit(images)
    record = read_record(learner.directory_)
    assert record["plan"]["mixing"].startswith(record["plan"]["chosen"]["mix"])
    assert learner.get_params()["mix"] == "auto"
    assert Learner.load(learner.directory_).mix == record["settings"]["mix"]


def test_fit_transform_score(images, fitted):
    assert (fitted.directory_ / "run.json").exists()
    vectors = fitted.transform(images)
    assert vectors.shape == (COUNT, fitted.n_features_out_)
    assert vectors.dtype == np.float32
    assert np.array_equal(vectors, fitted.transform(images))
    assert fitted.kept_.tolist() == list(range(COUNT))
    assert 0 <= fitted.score(images, np.arange(COUNT) % 2) <= 1
    assert np.array_equal(Learner("moco-v3", **PARAMS).fit_transform(images), vectors), (
        "the same run"
    )


def test_parameters_are_kept_cloned_and_set():
    learner = Learner("dino", **PARAMS)
    twin = clone(learner)
    assert twin is not learner
    assert twin.get_params() == learner.get_params()
    assert twin.set_params(lr=0.5).lr == 0.5
    with pytest.raises(ValueError, match=r"(?s)Invalid parameter 'learning_rate'.*'lr'"):
        twin.set_params(learning_rate=1)
    assert "Learner(" in repr(learner)
    assert "method='dino'" in repr(learner)


@pytest.mark.parametrize(
    "check",
    [
        "check_estimator_cloneable",
        "check_estimator_repr",
        "check_estimator_tags_renamed",
        "check_valid_tag_types",
        "check_no_attributes_set_in_init",
        "check_parameters_default_constructible",
        "check_get_params_invariance",
        "check_set_params",
        "check_mixin_order",
        "check_get_feature_names_out_error",
    ],
)
def test_conventions_that_need_no_table_of_numbers(check):
    held = getattr(estimator_checks, check, None)
    if held is None:
        pytest.skip("not in this version of scikit-learn")
    held("Learner", Learner())


def test_a_fitted_learner_can_be_pickled(images, fitted):
    again = pickle.loads(pickle.dumps(fitted))
    assert np.array_equal(again.transform(images), fitted.transform(images))
    assert again.get_params() == fitted.get_params()


def test_a_pipeline_and_a_search_over_parameters(images):
    labels = np.arange(COUNT) % 2
    pipeline = make_pipeline(Learner("moco-v3", **PARAMS), LogisticRegression())
    assert pipeline.fit(images, labels).predict(images).shape == (COUNT,)
    assert list(pipeline[:-1].get_feature_names_out())[:2] == ["learner0", "learner1"]
    grid = {"learner__seed": np.arange(2), "learner__lr": np.array([0.1])}
    search = GridSearchCV(pipeline, grid, cv=2, error_score="raise").fit(images, labels)
    record = read_record(search.best_estimator_[0].directory_)
    assert record["settings"]["seed"] == search.best_params_["learner__seed"]
    assert record["settings"]["lr"] == 0.1


def test_what_cannot_be_done_is_said(images, fitted):
    with pytest.raises(UserError, match="must be fitted first"):
        Learner().transform(images)
    with pytest.raises(NotFittedError):
        Learner().transform(images)
    with pytest.raises(UserError, match="known method"):
        Learner("mocco", **PARAMS).fit(images)
    with pytest.raises(UserError, match=r"must have a label.* give a pair \(images, labels\)"):
        fitted.score(images)
    with pytest.raises(UserError, match="must be one class for each"):
        fitted.score(images, [1, 2])
    for missing in (-1, None, float("nan")):
        with pytest.raises(UserError, match="there is not one in y for each"):
            fitted.score(images, [*([0, 1] * COUNT)[: COUNT - 1], missing])
    with pytest.raises(UserError, match="one grey image or rows of numbers"):
        fitted.transform(images[0, ..., 0])
    with pytest.raises(UserError, match=r"supcon .*none in array: .* give a pair"):
        Learner("supcon", **PARAMS | {"mix": None, "method_options": {}}).fit(images)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"device": "gpu"}, "^device: must be one of auto, cpu, cuda, mps, got 'gpu'"),
        ({"augment": "no_hue"}, "^augment: must be one of full, no-hue, crops"),
        ({"batch_size": 0}, "^batch_size: must be a whole number from 1"),
        ({"batch_size": "8"}, "^batch_size: must be a whole number or None, got '8'"),
        ({"batch_size": 8.0}, "^batch_size: must be a whole number or None, got 8.0"),
        ({"lr": "fast"}, "^lr: must be a number or None, got 'fast'"),
        ({"compile": 1}, "^compile: must be True or False, got 1"),
        ({"method": None}, "^method: must be text, got None"),
        ({"method_options": 3}, "^method_options: must be a mapping of fields, got 3"),
        ({"max_bad_share": 2}, "^max_bad_share: must be a number from 0 to 1"),
        ({"bad": "drop"}, "^bad: must be one of skip, nan, error, got 'drop'"),
        ({"directory": 3}, "^directory: must be a path or None, got 3"),
        ({"batch_size": 100}, "^batch_size: of 24 images a batch must have 24 at most"),
        ({"mix": "cutmix"}, r"mix: .*mix=\"sdmp\""),
    ],
)
def test_errors_name_the_parameter(images, given, message):
    learner = Learner(**PARAMS).set_params(**given)
    with pytest.raises(UserError, match=message) as caught:
        learner.fit(images)
    assert "\n" not in str(caught.value)


def test_a_directory_in_use_is_refused_and_none_is_left_for_nothing(
    images, fitted, tmp_path, monkeypatch
):
    with pytest.raises(UserError, match="^directory: .* must not hold a run"):
        clone(fitted).fit(images)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with pytest.raises(UserError, match="known method"):
        Learner("mocco", **PARAMS).fit(images)
    assert not list(tmp_path.iterdir())


def test_one_learner_goes_on_from_another(images, fitted, tmp_path):
    second = Learner(
        "moco-v3", **PARAMS, weights=fitted.directory_, directory=tmp_path / "second"
    ).fit(images)
    begun = load_encoder(fitted.directory_)
    assert before(tmp_path / "second").fingerprint == begun.fingerprint
    assert second.encoder_.fingerprint != begun.fingerprint


def test_a_run_is_loaded_again(images, fitted):
    loaded = Learner.load(fitted.directory_)
    assert loaded.directory_ == fitted.directory_
    assert np.array_equal(loaded.transform(images), fitted.transform(images))
    for name in ("method", "mix", "steps", "backbone", "image_size"):
        assert getattr(loaded, name) == getattr(fitted, name), name
    assert loaded.method_options.items() >= fitted.method_options.items()
    assert loaded.kin_options is None
    assert loaded.directory is None
    assert clone(loaded).get_params() == loaded.get_params()
    with pytest.raises(UserError, match=r"must hold a run.json"):
        Learner.load(fitted.directory_.parent)


def test_a_run_that_has_not_finished_says_so(images, tmp_path, monkeypatch):
    run = tmp_path / "run"

    def stop(self, step, steps, numbers):
        if step == 2:
            import os
            import signal

            os.kill(os.getpid(), signal.SIGINT)

    with monkeypatch.context() as patched:
        patched.setattr("ilk.learner.work.TrainDisplay.on_step", stop)
        with pytest.raises(KeyboardInterrupt, match="the run is kept in"):
            Learner("moco-v3", **PARAMS | {"steps": 1000}, directory=run).fit(images)
    with pytest.warns(UserWarning, match=r"has not finished, .* step [23] of 1000"):
        assert Learner.load(run).transform(images).shape[0] == COUNT


def test_a_run_that_collapses_says_where_it_is_kept(images, tmp_path, monkeypatch):
    monkeypatch.setattr("ilk.train.run.signs", lambda *_: {"feature_std": 0.01, "rankme": 1.1})
    learner = Learner("moco-v3", **PARAMS, directory=tmp_path / "run").set_params(
        steps=100, stop_on_collapse=True
    )
    with (
        pytest.warns(UserWarning, match="^collapse: .* a lower lr"),
        pytest.raises(Collapsed) as stop,
    ):
        learner.fit(images)
    assert str(tmp_path / "run") in stop.value.__notes__[0]
    with pytest.warns(UserWarning, match="has not finished"):
        Learner.load(tmp_path / "run")


def test_paths_pillow_images_and_arrays_are_images(images, fitted, files):
    whole = fitted.transform(images[:4])
    named = [str(file) for file in files]
    pillow = [Image.fromarray(pixels) for pixels in images[:4]]
    mixed = [files[0], pillow[1], images[2], files[3].read_bytes()]
    pandas = pytest.importorskip("pandas")
    given = [
        files, named, np.array(named), np.array(files, object), pillow,
        list(images[:4]), mixed, pandas.Series(named), [*named[:2], *pillow[2:]],
    ]  # fmt: skip
    for spec in given:
        np.testing.assert_allclose(fitted.transform(spec), whole, rtol=1e-4, atol=1e-5)
    for one in (files[2], pillow[2], images[2], [images[2]]):
        np.testing.assert_allclose(fitted.transform(one), whole[2:3], rtol=1e-4, atol=1e-5)
    larger = fitted.transform([images[5, :20], images[2]])
    np.testing.assert_allclose(larger[1:], whole[2:3], rtol=1e-4, atol=1e-5)
    small = PARAMS | {"batch_size": 2, "steps": 2}
    assert Learner("moco-v3", **small).fit(mixed).transform(mixed).shape[0] == 4


def test_output_and_names_follow_scikit_learn(images, fitted):
    pandas = pytest.importorskip("pandas")
    learner = Learner.load(fitted.directory_)
    names = [f"learner{number}" for number in range(learner.n_features_out_)]
    assert list(learner.get_feature_names_out()) == names
    plain = learner.transform(images)
    assert learner.set_output(transform="pandas") is learner
    frame = learner.transform(images)
    assert isinstance(frame, pandas.DataFrame)
    assert list(frame.columns) == names
    assert np.array_equal(frame.to_numpy(), plain)
    assert isinstance(learner.set_output().transform(images), pandas.DataFrame)
    assert 0 <= learner.score(images, np.arange(COUNT) % 2) <= 1
    assert isinstance(learner.set_output(transform="default").transform(images), np.ndarray)


def test_output_as_a_polars_frame(images, fitted):
    polars = pytest.importorskip("polars")
    learner = Learner.load(fitted.directory_).set_output(transform="polars")
    frame = learner.transform(images)
    assert isinstance(frame, polars.DataFrame)
    assert frame.columns[0] == "learner0"


def test_an_image_that_cannot_be_read_is_treated_as_the_parameter_says(fitted, files):
    learner = Learner.load(fitted.directory_)
    whole = learner.transform(files)
    files[1].write_bytes(b"no image")
    with pytest.warns(UserWarning, match=r"1 of 4 images .* they are left out; first .*1.png"):
        kept = learner.transform(files)
    np.testing.assert_allclose(kept, whole[[0, 2, 3]], rtol=1e-4, atol=1e-5)
    assert learner.kept_.tolist() == [0, 2, 3]
    with pytest.warns(UserWarning, match="1 of 4 images .* rows are NaN"):
        rows = learner.set_params(bad="nan").transform(files)
    assert np.isnan(rows[1]).all()
    assert np.array_equal(rows[[0, 2, 3]], kept)
    for bad in ("nan", "skip"):
        with pytest.warns(UserWarning, match="1 of 4 images .* left out"):
            assert learner.set_params(bad=bad).score(files, [0, 1, 0, 0]) == 1
    with pytest.raises(UserError, match=r"(?i)bad is 'error', got 1 of 4 .* first: .*1.png"):
        learner.set_params(bad="error").transform(files)
    with pytest.raises(UserError, match="^bad: must be one of skip, nan, error"):
        learner.set_params(bad="drop").transform(files)


def test_images_none_of_which_can_be_read_have_no_row(fitted, files):
    learner = Learner.load(fitted.directory_)
    files[0].write_bytes(b"no image")
    with pytest.warns(UserWarning, match="1 of 1 images"):
        assert learner.transform(files[:1]).shape == (0, learner.n_features_out_)
    with pytest.warns(UserWarning, match="1 of 1 images"):
        rows = learner.set_params(bad="nan").transform(files[:1])
    assert rows.shape == (1, learner.n_features_out_)
    assert np.isnan(rows).all()


def test_a_frame_tells_which_images_have_no_row(fitted, files):
    pandas = pytest.importorskip("pandas")
    learner = Learner.load(fitted.directory_).set_output(transform="pandas")
    files[1].write_bytes(b"no image")
    with pytest.warns(UserWarning, match="left out"):
        assert list(learner.transform(files).index) == [0, 2, 3]
    named = pandas.Series([str(file) for file in files], index=list("abcd"))
    with pytest.warns(UserWarning, match="left out"):
        frame = learner.transform(named)
    assert list(frame.index) == ["a", "c", "d"]
    assert list(frame.columns)[:1] == ["learner0"]
    with pytest.warns(UserWarning, match="NaN"):
        assert list(learner.set_params(bad="nan").transform(named).index) == list("abcd")


def test_fit_treats_an_image_that_cannot_be_read_as_the_parameter_says(files):
    small = PARAMS | {"batch_size": 2, "steps": 2, "max_bad_share": 0.25}
    files[1].write_bytes(b"no image")
    for bad in ("skip", "nan"):
        with pytest.warns(UserWarning, match=r"fit: 1 image could not .* first .*1.png"):
            Learner(**small, bad=bad).fit(files)
    with pytest.raises(UserError, match=r"at most 0% of the items may be bad.*1.png"):
        Learner(**small, bad="error").fit(files)


def test_places_are_those_that_the_vectors_are_pooled_from(images):
    learner = Learner("moco-v3", **PARAMS).fit(images)
    grid, tokens = learner.places(images, "map"), learner.places(images)
    assert learner.kept_.tolist() == list(range(COUNT))
    assert np.array_equal(grid.reshape(*grid.shape[:2], -1).swapaxes(1, 2), tokens)
    np.testing.assert_allclose(tokens.mean(1), learner.transform(images), atol=1e-5)


def test_progress_goes_to_standard_error_where_it_is_asked_for(images, capsys, monkeypatch):
    Learner("moco-v3", **PARAMS).fit(images).transform(images)
    out, err = capsys.readouterr()
    assert (out, err) == ("", "")
    learner = Learner("moco-v3", **PARAMS | {"verbose": True}).fit(images)
    out, err = capsys.readouterr()
    assert out == ""
    assert re.search(r"^fit 3/3  epoch .*  loss .*ETA 0:00:00$", err, re.MULTILINE)
    assert re.search(r"^found .*24 images", err, re.MULTILINE)
    assert "--" not in err
    learner.transform(images)
    assert capsys.readouterr().err == "", "one batch"
    monkeypatch.setattr("ilk.learner.work.BATCH", 16)
    learner.transform(images)
    assert "transform 24/24" in capsys.readouterr().err
    monkeypatch.setattr("sys.stderr", None)
    assert learner.transform(images).shape[0] == COUNT
