"""In which kind of numbers a processor trains, and a run goes on."""

from pathlib import Path

import pytest

from ilk.core import UserError
from ilk.train import Interrupted, Settings, read_record, resume, train
from ilk.train.devices import as_before
from ilk.train.planning.precision import with_precision
from tests.train.conftest import Witness
from tests.train.test_resume import StopAt, same


@pytest.fixture
def halves(monkeypatch):
    """Gives the processor instructions for bfloat16, or takes them."""

    def give(name: str | None) -> None:
        there = {name: True} if name else {}
        monkeypatch.setattr("torch.cpu.get_capabilities", lambda: there, raising=False)

    give("avx512_bf16")
    return give


@pytest.mark.parametrize(
    ("changes", "precision"),
    [
        ({}, "bf16-mixed"),
        ({"method": "mae"}, "auto"),  # by vit_mini, whose heads have 16 numbers
        ({"method": "mae", "defaults": "paper"}, "bf16-mixed"),
        ({"backbone": "vit_mini"}, "auto"),
        ({"backbone": "vit_tiny_patch16_224", "image_size": 64}, "bf16-mixed"),
        ({"backbone": "mobilenetv3_small_100"}, "auto"),
        ({"backbone": "resnet_mini_3d", "image_size": 16}, "bf16-mixed"),
        ({"precision": "32-true"}, "32-true"),
    ],
)
def test_bfloat16_is_taken_where_the_processor_is_faster_in_it(halves, changes, precision):
    asked = Settings(**{"method": "moco-v3", "device": "cpu", **changes})
    assert with_precision(asked).precision == precision
    halves("amx_bf16")
    assert with_precision(asked).precision == precision
    halves(None)
    assert with_precision(asked).precision == changes.get("precision", "auto")


def test_old_releases_of_torch_that_cannot_say_stay_in_single_precision(monkeypatch):
    monkeypatch.delattr("torch.cpu.get_capabilities", raising=False)
    asked = Settings(method="moco-v3", device="cpu")
    assert with_precision(asked) == asked


def started(settings: Settings, folder: Path, directory: Path) -> Path:
    with pytest.raises(Interrupted):
        train(settings, str(folder), directory, StopAt())
    return directory


def test_an_open_precision_is_decided_recorded_and_kept(halves, tiny, folder, tmp_path, capfd):
    opened = tiny(steps=4, mix=None, knn_every=0, precision="auto")
    train(opened, str(folder), tmp_path / "whole", Witness())
    cut = started(opened, folder, tmp_path / "cut")
    witness = Witness()
    resume(cut, witness)
    assert not witness.messages
    assert read_record(cut)["precision"] == "bf16-mixed"
    assert read_record(cut)["settings"]["precision"] == "auto"
    assert same(tmp_path / "whole", cut)
    single = tiny(steps=4, mix=None, knn_every=0)
    train(single, str(folder), tmp_path / "single", Witness())
    assert not same(tmp_path / "single", cut)
    assert "Automatic Mixed Precision" not in "".join(capfd.readouterr())


def test_a_run_in_single_precision_goes_on_so(halves, tiny, folder, tmp_path):
    opened = tiny(steps=4, mix=None, knn_every=0, precision="auto")
    halves(None)
    train(opened, str(folder), tmp_path / "whole", Witness())
    cut = started(opened, folder, tmp_path / "cut")
    halves("avx512_bf16")
    resume(cut, Witness())
    assert read_record(cut)["precision"] == "32-true"
    assert same(tmp_path / "whole", cut)


def test_where_bfloat16_is_slow_a_run_goes_on_without_it_and_says_so(
    halves, tiny, folder, tmp_path
):
    cut = started(tiny(steps=4, knn_every=0, precision="auto"), folder, tmp_path / "cut")
    halves(None)
    witness = Witness()
    resume(cut, witness)
    (said,) = witness.messages
    assert said.endswith("precision bf16-mixed before, 32-true now")
    assert read_record(cut)["resumed"][0]["precision"] == "32-true"


@pytest.mark.parametrize("damaged", [None, "64-true", 16, {}])
def test_a_precision_that_no_run_has_is_not_taken_from_a_record(damaged):
    settings = Settings(method="moco-v3", device="cpu")
    assert as_before(settings, damaged) == settings


def test_float16_needs_a_gpu(tiny, folder, tmp_path):
    """On a processor Fabric would compute in bfloat16, and the record would say float16."""
    settings = tiny(steps=4, mix=None, precision="16-mixed")
    with pytest.raises(
        UserError, match="16-mixed needs a GPU, got a processor; use bf16-mixed"
    ):
        train(settings, str(folder), tmp_path / "run", Witness())
    assert as_before(settings, "16-mixed").precision == "auto"
