"""`Learner` keeps scikit-learn's manners."""

import numpy as np
import pytest
from sklearn.base import clone

from ilk import Learner
from ilk.core import UserError
from ilk.networks import load_encoder
from ilk.train import before
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
}


@pytest.fixture(scope="module")
def images() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (24, 32, 32, 3)).astype(np.uint8)


def test_fit_transform_score(images, tmp_path):
    learner = Learner("moco-v3", **PARAMS, directory=tmp_path / "run")
    assert learner.fit(images) is learner
    vectors = learner.transform(images)
    assert vectors.shape == (24, learner.n_features_out_)
    assert np.array_equal(vectors, learner.transform(images))
    assert 0 <= learner.score(images, np.arange(24) % 2) <= 1
    assert (tmp_path / "run" / "run.json").exists()


def test_parameters_are_kept_cloned_and_set():
    learner = Learner("dino", **PARAMS)
    twin = clone(learner)
    assert twin is not learner
    assert twin.get_params() == learner.get_params()
    assert twin.set_params(lr=0.5).lr == 0.5
    with pytest.raises(UserError, match="parameters are"):
        twin.set_params(learning_rate=1)
    assert "Learner(method='dino'" in repr(learner)


def test_what_cannot_be_done_is_said(images):
    with pytest.raises(UserError, match="must be fitted first"):
        Learner().transform(images)
    with pytest.raises(UserError, match="known method"):
        Learner("mocco", **PARAMS).fit(images)
    learner = Learner("moco-v3", **PARAMS)
    learner.fit(images)
    with pytest.raises(UserError, match=r"must have a label.* give a pair \(images, labels\)"):
        learner.score(images)
    with pytest.raises(UserError, match="there is not one in y for each"):
        learner.score(images, [1, 2])
    with pytest.raises(UserError, match="one grey image or rows of numbers"):
        learner.transform(images[0, ..., 0])
    one = learner.transform(images[3])
    assert one.shape == (1, learner.n_features_out_)
    mixed = learner.transform([images[5, :20], images[3]])
    np.testing.assert_allclose(mixed[1:], one, rtol=1e-4, atol=1e-5)
    with pytest.raises(UserError, match=r"supcon .*none in array: .* give a pair"):
        Learner("supcon", **PARAMS | {"mix": None, "method_options": {}}).fit(images)


def test_one_learner_goes_on_from_another(images, tmp_path):
    Learner("moco-v3", **PARAMS, directory=tmp_path / "first").fit(images)
    second = Learner(
        "moco-v3", **PARAMS, weights=tmp_path / "first", directory=tmp_path / "second"
    ).fit(images)
    begun = load_encoder(tmp_path / "first")
    assert before(tmp_path / "second").fingerprint == begun.fingerprint
    assert second.encoder_.fingerprint != begun.fingerprint
