"""Images, clips and sensor windows go through one method: trained, resumed, embedded."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from ilk.core import UserError
from ilk.data import Arrays
from ilk.embedding import embed
from ilk.networks import load_encoder
from ilk.train import Interrupted, Settings, before, resume, train
from tests.train.conftest import Witness
from tests.train.test_resume import StopAt, same

ITEMS = 16
KINDS = {
    "image": {
        "backbone": "resnet_mini",
        "backbone_options": {"stem": "small", "widths": [8, 8], "depths": [1, 1]},
        "image_size": 16,
    },
    "clip": {
        "backbone": "resnet_mini_3d",
        "backbone_options": {"widths": [8, 8], "depths": [1, 1], "frames": 4},
        "image_size": 16,
    },
    "window": {
        "backbone": "resnet_mini_1d",
        "backbone_options": {"widths": [8, 8], "depths": [1, 1]},
        "image_size": 24,
    },
}
METHODS = {
    "simclr": {"hidden": 8, "dim": 4},
    "moco-v3": {"hidden": 8, "dim": 4, "warmup_epochs": 1},
}

TEACHER = {"teacher": "random:resnet_mini"}


def items(kind: str) -> tuple[np.ndarray, np.ndarray]:
    """Items in two classes: light and dark, or fast and slow."""
    chance, labels = np.random.default_rng(0), np.arange(ITEMS) % 2
    if kind == "window":
        times = np.linspace(0, 2 * np.pi, 40)[None, None] * (1 + 3 * labels[:, None, None])
        shift = chance.uniform(0, 6, (ITEMS, 3, 1))
        return 9.8 + 4 * np.sin(times + shift) + chance.normal(0, 0.2, (ITEMS, 3, 40)), labels
    shape = (ITEMS, 20, 24, 3) if kind == "image" else (ITEMS, 6, 20, 24, 3)
    noise = chance.integers(0, 100, shape) + 100 * labels.reshape(-1, *[1] * (len(shape) - 1))
    return noise.astype(np.uint8), labels


def settings(kind: str, method: str, mix: str | None) -> Settings:
    return Settings(
        method=method, method_options=METHODS[method], mix=mix, batch_size=4, steps=6,
        workers=2, device="cpu", precision="32-true", knn_every=0.5, **KINDS[kind],
    )  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("method", "mix"), [("simclr", None), ("moco-v3", "sdmp")])
def test_items_of_any_rank_train_resume_bitwise_and_embed(kind, method, mix, tmp_path):
    data, run = items(kind), settings(kind, method, mix)
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    train(run, data, whole, Witness())
    with pytest.raises(Interrupted):
        train(run, data, cut, StopAt(4))
    resume(cut, Witness(), data)
    assert same(whole, cut)

    encoder = load_encoder(str(whole))
    assert encoder.kind == kind
    found = embed(encoder, Arrays(*data), batch_size=5, workers=2)
    assert found.vectors.shape == (ITEMS, encoder.feature_dim)
    assert not found.bad
    other = embed(load_encoder(str(cut)), Arrays(*data), batch_size=16, workers=1)
    torch.testing.assert_close(
        torch.from_numpy(found.vectors), torch.from_numpy(other.vectors), rtol=1e-4, atol=1e-5
    )


@pytest.mark.parametrize(
    ("kind", "given", "words"),
    [
        ("clip", "image", r"where \[T, H, W, C\] is wanted"),
        ("image", "clip", r"where \[H, W, C\] is wanted"),
        ("window", "clip", r"where \[C, L\] is wanted"),
    ],
)
def test_items_of_another_kind_are_refused_in_one_line(kind, given, words, tmp_path):
    with pytest.raises(UserError, match=words) as refused:
        train(settings(kind, "simclr", None), items(given), tmp_path / "run", Witness())
    assert "\n" not in str(refused.value)


def test_a_folder_of_images_is_refused_for_clips(tmp_path: Path, folder: Path):
    with pytest.raises(UserError, match="an image file, where an array"):
        train(settings("clip", "simclr", None), str(folder), tmp_path / "run", Witness())


@pytest.mark.parametrize(
    ("kind", "change", "words"),
    [
        ("clip", {"background": "remove", "masks": "saliency"}, "background"),
        ("clip", {"method": "rotation"}, "Rotations are for images alone"),
        ("window", {"method": "revisiting"}, "near others"),
        ("window", {"method": "rekd", "method_options": TEACHER}, "must have one for images"),
        ("clip", {"image_size": None}, "image_size: must be named for resnet_mini_3d"),
        ("clip", {"backbone_options": {"frames": 0}}, "frames must be"),
    ],
)
def test_what_only_images_allow_is_refused(
    kind, change, words, tmp_path: Path, tiny: Callable[..., Settings]
):
    run = tiny(**{"method_options": {}, "mix": None, **KINDS[kind], **change})
    with pytest.raises(UserError, match=words):
        train(run, items(kind), tmp_path / "run", Witness())


def test_windows_before_training_have_the_scale_of_the_run(tmp_path):
    train(settings("window", "simclr", None), items("window"), tmp_path / "run", Witness())
    trained, untrained = load_encoder(str(tmp_path / "run")), before(tmp_path / "run")
    assert (untrained.mean, untrained.std) == (trained.mean, trained.std)
    assert trained.mean != pytest.approx((0.485, 0.456, 0.406), abs=0.05)
