from dataclasses import replace

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression as Reference
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from ilk.core import UserError
from ilk.evaluate import PROTOCOLS, Labelled, Task, protocol
from ilk.evaluate.protocols.heldout import held_out

FROZEN = {  # a changed hash means changed settings: make a new version instead
    "knn@1": "9d5f7da2e8690dc625315216439967e8c6ca168c40a9061b0135a8cdb65750c5",
    "linear@1": "7834b914dd644f1b5c3b2e28b34a678decea7dcfcdc6c45bc0fcabb280177383",
    "retrieval@1": "376acec6444f3b22ac073b7a19514b733986c2e1d754d11fed7155b64d4e54af",
    "quality@1": "e13d065f7cabc298fd777adc7f5877d28d105589926b718037b1d5a204897b2f",
    "few-label@1": "6622fcda37c2709370431c7bde7ce364fc739410eab312d53333244de9baa665",
    "cluster@1": "fd58a26a386df2f71ff9fade238ef292c8a2cb526a681aca43110e20ced833c4",
    "cluster-free@1": "6009a51c44f8bec8ad31b9b5811dde06487f1f28ffea40fc5d04df431325c1b8",
    "discover@1": "ea14acfc880561fa30a93f881197611006f3438484f18f01aea7a602c1275a0b",
    "views-quality@1": "62eb00f20addc1cb2f16eff27b8dd751bd7d2a90989838a9c6933f899209f45f",
    "robustness@1": "7387224d59b783a1626f8aef98d25972b923cc81e82ee5be911085353305b94c",
    "robustness-mini@1": "dd56bf07e0b78a6902f9f716b97b0c894549f395ffc8a78f2e3f0dfd132cb7e4",
    "linear-aug@1": "e3b81ecf7dc8cc4c08db9fbc6f3d12136a213f5e5b8f85b895fb3cb52daad155",
    "linear-aug-4@1": "cd6ced8b0bda2b1d917dca158b0f09ed060cc4e94c98acc5e4f313edd74e93a8",
    "linear-aug-mini@1": "be681f16d4942fe25fa7021c4641b0bf009b4a1eb09bb7481b70eed2fdfd2aac",
    "finetune@1": "24be51c460bfea4805d264947edd952db595c3a89aa197039f7939806861301d",
    "finetune-mini@1": "652f09795c528dd4e791cb8d32500a8a67b971315fef8414fc0822de8406f70e",
    "finetune-10@1": "3a26597014cae0884a41876fc4ea9b59eb7edf369e825b280a5e97ad95b3ca1d",
    "classify@1": "c90f89d305d326596364aefd33791e373707311b23b53f7e499c5729ae9b85d2",
    "finetune-1@1": "d4130bd329b01ae1a89ab15bcb34e502ce9ee244c5a09ed6ec9457be86aa3c5d",
    "few-label-finetune@1": "b97cf97adab66714b45744069f02a404d4d0d8f8636a6cb4d0fd2c8cc348eecf",
    "attentive@1": "ce458fcca17194ec9d14814e6c90d6abce5be3acf5247de8ba750924ad7988bf",
    "patch-knn@1": "8bb806f1db14725b23d4adb72add31bd432c588ea8b80608f9cc65d6d0ef136d",
    "segment-linear@1": "d6da3ca45d247aff8aa37ebd51b38b986d338b5da8caa73ff47990c4784276c7",
}


ACCURACY = ("knn@1", "linear@1")


def task(train, test, seed=0):
    parts = (
        Labelled(vectors=torch.from_numpy(p.vectors), labels=torch.from_numpy(p.labels))
        for p in (train, test)
    )
    return Task(train=next(parts), test=next(parts), classes=train.classes, seed=seed)


def test_settings_never_change_under_a_name():
    assert {name: found.hash for name, found in PROTOCOLS.items()} == FROZEN


def test_the_hash_covers_name_and_settings():
    knn = PROTOCOLS["knn@1"]
    assert replace(knn, name="knn@2").hash != knn.hash
    assert replace(knn, procedure=replace(knn.procedure, held_out=0.3)).hash != knn.hash
    assert knn.settings == {"neighbours": (20, 200), "temperature": 0.07, "held_out": 0.2}


def test_a_bare_name_is_the_latest_version(monkeypatch):
    assert protocol("knn").name == "knn@1"
    for version in (2, 10):
        later = replace(PROTOCOLS["knn@1"], name=f"knn@{version}")
        monkeypatch.setitem(PROTOCOLS, later.name, later)
    assert protocol("knn").name == "knn@10"
    assert protocol("knn@1").name == "knn@1"
    for name in ("knnn", "knn@3", "", "@1"):
        with pytest.raises(UserError, match="protocols are knn@1, linear@1"):
            protocol(name)


def knn_reference(k):
    def weigh(distance):
        return np.exp((1 - distance) / 0.07)

    return KNeighborsClassifier(k, metric="cosine", algorithm="brute", weights=weigh)


@pytest.mark.parametrize("seed", [0, 1])
def test_knn_chooses_k_on_held_out_train_as_a_slow_reading_would(pair, seed):
    train, test = pair(n_train=600, signal=0.6)
    found = PROTOCOLS["knn@1"].procedure.measure(task(train, test, seed))
    aside = held_out(torch.from_numpy(train.labels), 0.2, seed).numpy()
    x, y = train.vectors, train.labels
    scores = {
        k: knn_reference(k).fit(x[~aside], y[~aside]).score(x[aside], y[aside])
        for k in (20, 200)
    }
    k = max(scores, key=lambda k: (scores[k], -k))
    right = knn_reference(k).fit(x, y).predict(test.vectors) == test.labels
    assert found.selected == {"k": k}
    assert found.selected_on == f"{aside.sum()} held-out train items, accuracy {scores[k]:.4f}"
    assert ((found.scores.numpy() == 1) == right).mean() > 0.99
    assert found.value == found.scores.mean().item()
    assert 0.3 < found.value < 0.95


def test_linear_chooses_its_strength_on_held_out_train_as_a_slow_reading_would(pair):
    train, test = pair(n_train=500, dim=30, signal=0.4)
    linear = PROTOCOLS["linear@1"].procedure
    found = linear.measure(task(train, test))
    aside = held_out(torch.from_numpy(train.labels), 0.2, 0).numpy()
    x, y = train.vectors, train.labels

    def reference(strength, rows):
        model = Reference(C=1 / (rows.sum() * strength), tol=1e-6, max_iter=5000)
        return make_pipeline(StandardScaler(), model).fit(x[rows], y[rows])

    scores = [
        reference(strength, ~aside).score(x[aside], y[aside]) for strength in linear.strengths
    ]
    (best,) = found.selected.values()
    reached = scores[linear.strengths.index(best)]
    assert reached >= max(scores) - 1.5 / aside.sum(), "an item may fall on either side"
    assert float(found.selected_on.split()[-1]) == pytest.approx(reached, abs=1.5 / aside.sum())
    expected = reference(best, np.ones(500, bool)).score(test.vectors, test.labels)
    assert found.value == pytest.approx(expected, abs=0.01)
    assert 0.3 < found.value < 0.95


@pytest.mark.parametrize("name", ACCURACY)
def test_nothing_is_chosen_on_test(pair, name):
    """Whatever the test set, the choice is the same."""
    train, test = pair(signal=0.5)
    shuffled = replace(test, labels=np.roll(test.labels, 1), vectors=-3 * test.vectors)
    measure = PROTOCOLS[name].procedure.measure
    first, second = measure(task(train, test)), measure(task(train, shuffled))
    assert first.selected == second.selected
    assert first.selected_on == second.selected_on
    assert first.value != second.value


@pytest.mark.parametrize("name", ACCURACY)
def test_perfect_and_useless_features(pair, embeddings, name):
    train, test = pair()
    measure = PROTOCOLS[name].procedure.measure
    eye = np.eye(4)
    perfect = [replace(p, vectors=eye[p.labels].astype(np.float32)) for p in (train, test)]
    assert measure(task(*perfect)).value == 1.0
    constant = [replace(p, vectors=np.ones_like(p.vectors)) for p in (train, test)]
    assert measure(task(*constant)).value == pytest.approx(0.25, abs=0.05)


@pytest.mark.parametrize("name", ACCURACY)
def test_the_same_twice_and_with_more_neighbours_than_items(pair, name):
    train, test = pair(n_train=12)
    measure = PROTOCOLS[name].procedure.measure
    first, second = measure(task(train, test)), measure(task(train, test))
    assert torch.equal(first.scores, second.scores)
    assert first.selected.get("k", 12) == 12


@pytest.mark.parametrize("name", ACCURACY)
def test_one_item_a_class_leaves_nothing_to_choose_on(embeddings, name):
    train = embeddings(np.eye(4), np.arange(4), "train")
    test = embeddings(np.eye(4)[[0, 1, 2, 3, 0]], np.array([0, 1, 2, 3, 1]), "test")
    found = PROTOCOLS[name].procedure.measure(task(train, test))
    assert found.selected_on.startswith("nothing")
    assert found.value == pytest.approx(0.8)
