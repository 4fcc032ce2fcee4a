"""The smallest data, batches and numbers: each works, or is one line."""

import numpy as np
import pytest

from ilk.core import UserError
from ilk.data import Arrays
from ilk.methods import METHODS
from ilk.train import Settings, train
from tests.laws.world import SMALL

TINY = {
    "backbone": "resnet_mini", "backbone_options": {"widths": (4, 8), "depths": (1, 1)},
    "image_size": 32, "steps": 1, "workers": 1, "knn_every": 0,
}  # fmt: skip


class Deaf:
    def on_step(self, step, steps, numbers):
        pass

    def on_message(self, message):
        pass


def images(count: int) -> Arrays:
    pixels = np.random.default_rng(0).integers(0, 256, (count, 32, 32, 3), np.uint8)
    return Arrays(pixels, np.arange(count) % 2, name="few", classes=("a", "b"))


@pytest.mark.parametrize(
    ("count", "changes"),
    [(1, {}), (4, {"batch_size": 1}), (4, {"batch_size": 4, "accumulate": 4})],
)
def test_a_micro_batch_of_one_is_refused_where_batch_norm_needs_more(tmp_path, count, changes):
    settings = Settings(**TINY, **changes)
    with pytest.raises(UserError, match="two images (at least that can|in each micro-batch)"):
        train(settings, images(count), tmp_path / "run", Deaf())
    assert not (tmp_path / "run" / "run.json").exists()


@pytest.mark.parametrize("name", [name for name in METHODS if name != "rekd"])
def test_two_images_train_any_method_or_are_one_line(tmp_path, name):
    settings = Settings(**TINY, method=name, method_options=SMALL[name], batch_size=2)
    said = ""
    try:
        train(settings, images(2), tmp_path / "run", Deaf())
    except UserError as error:
        said = str(error)
    if said:
        assert "\n" not in said
    else:
        assert (tmp_path / "run" / "encoder.safetensors").exists()


@pytest.mark.parametrize(
    ("field", "value"),
    [("seed", 10**30), ("seed", -(10**30)), ("knn_every", -1.0), ("knn_every", float("nan")),
     ("max_bad_share", 1.5), ("max_bad_share", -0.1)],
)  # fmt: skip
def test_numbers_out_of_range_are_refused_by_name(field, value):
    with pytest.raises(UserError, match=f"^{field}: must be"):
        Settings(**{field: value})


def test_a_folder_with_other_files_is_no_place_for_a_run(tmp_path):
    (tmp_path / "holiday.jpg").write_bytes(b"mine")
    with pytest.raises(UserError, match="new or empty, got 1 file such as holiday.jpg"):
        train(Settings(**TINY, batch_size=2), images(4), tmp_path, Deaf())
    assert [p.name for p in tmp_path.iterdir()] == ["holiday.jpg"]
