"""A whole run: what it leaves behind, how it stops, how it goes on."""

import json
import os
import signal
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from ilk.core import UserError, holder, lock
from ilk.data import open_source
from ilk.embedding import embed
from ilk.networks import load_encoder
from ilk.train import Collapsed, Interrupted, resume, train
from ilk.train import run as run_module
from ilk.train.loop.trainer import Trainer
from ilk.train.records.checkpoint import load
from ilk.train.run import CHECKPOINT
from tests.processes import started
from tests.train.conftest import TINY, Witness


def final_state(directory: Path) -> dict[str, torch.Tensor]:
    return load(directory / CHECKPOINT)[0]


def assert_same(one: dict[str, torch.Tensor], two: dict[str, torch.Tensor]) -> None:
    assert one.keys() == two.keys()
    assert all(torch.equal(one[name], two[name]) for name in one)


def lines(directory: Path) -> list[dict]:
    return [json.loads(line) for line in (directory / "metrics.jsonl").read_text().splitlines()]


def test_a_run_leaves_record_metrics_checkpoint_and_encoder(tiny, pictures, tmp_path):
    witness = Witness()
    train(tiny(), pictures, tmp_path / "run", witness)
    record = json.loads((tmp_path / "run/run.json").read_text())
    assert record["status"] == "finished"
    assert record["step"] == record["length"]["steps"] == 6
    assert record["settings"]["method"] == "moco-v3"
    assert record["data"]["items"] == 32
    assert record["versions"]["torch"] == torch.__version__.partition("+")[0]
    assert witness.steps == [1, 2, 3, 4, 5, 6]
    written = lines(tmp_path / "run")
    assert [line["step"] for line in written] == list(range(6))
    assert written[-1]["knn"] > 0.2
    assert {"loss/clean", "loss/source", "loss/mix", "feature_std", "rankme", "lr", "grad_norm",
            "images_per_second", "data_wait"} <= set(written[0])  # fmt: skip
    encoder = load_encoder(tmp_path / "run")
    assert embed(encoder, open_source(pictures)).vectors.shape == (32, encoder.feature_dim)


@pytest.mark.parametrize("name", ["uic", "deepcluster"])
def test_every_epoch_tells_how_much_labels_changed(tiny, pictures, tmp_path, name):
    options = {"uic": {"classes": 4, "hidden": 16}, "deepcluster": {"clusters": 4, "axes": 4}}
    settings = tiny(method=name, method_options=options[name], mix=None, steps=12)
    train(settings, pictures, tmp_path / "run", Witness())
    told = {line["step"]: line["label_nmi"] for line in lines(tmp_path / "run")
            if "label_nmi" in line}  # fmt: skip
    assert set(told) == {4, 8}
    assert all(0 <= number < 1 for number in told.values())


def test_loss_falls(tiny, pictures, tmp_path):
    options = {**TINY["method_options"], "optimiser": "adamw", "base_lr": 0.1}
    train(
        tiny(steps=40, method_options=options, mix=None), pictures, tmp_path / "run", Witness()
    )
    losses = [line["loss"] for line in lines(tmp_path / "run")]
    assert np.mean(losses[-8:]) < np.mean(losses[:8]) - 0.1


def test_the_same_settings_give_the_same_run_whatever_the_threads(tiny, pictures, tmp_path):
    for workers in (1, 3):
        train(tiny(workers=workers), pictures, tmp_path / f"{workers}", Witness())
    assert_same(final_state(tmp_path / "1"), final_state(tmp_path / "3"))


@pytest.mark.parametrize("method", ["moco-v3", "dino", "vicreg"])
def test_half_precision_rounds_passes_and_keeps_weights_and_losses_single(
    tiny, pictures, tmp_path, method
):
    options = {
        "moco-v3": TINY["method_options"],
        "dino": {"hidden": 16, "dim": 8, "prototypes": 12, "local_views": 2},
        "vicreg": {"dim": 16},
    }[method]
    mix = None if method == "vicreg" else "sdmp"
    for precision in ("32-true", "bf16-mixed"):
        settings = tiny(precision=precision, method=method, method_options=options, mix=mix)
        train(settings, pictures, tmp_path / precision, Witness())
    single, half = (lines(tmp_path / name) for name in ("32-true", "bf16-mixed"))
    assert half[0]["loss"] != single[0]["loss"]
    assert [x["loss"] for x in half] == pytest.approx([x["loss"] for x in single], rel=0.03)
    weights = final_state(tmp_path / "bf16-mixed")
    assert {x.dtype for x in weights.values() if x.is_floating_point()} == {torch.float32}


def test_a_run_in_half_precision_resumes_bitwise(tiny, folder, tmp_path):
    half = tiny(precision="bf16-mixed")
    train(half, str(folder), tmp_path / "whole", Witness())
    with pytest.raises(Interrupted):
        train(half, str(folder), tmp_path / "cut", StopAt(3, signal.SIGTERM))
    resume(tmp_path / "cut", Witness())
    assert_same(final_state(tmp_path / "whole"), final_state(tmp_path / "cut"))


class StopAt(Witness):
    """Sends a signal to this process at a step."""

    def __init__(self, step: int, signum: int) -> None:
        super().__init__()
        self.at, self.signum = step, signum

    def on_step(self, step: int, steps: int, numbers: dict[str, float]) -> None:
        super().on_step(step, steps, numbers)
        if step == self.at:
            os.kill(os.getpid(), self.signum)


@pytest.mark.parametrize(("signum", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_signals_save_and_a_resumed_run_is_bitwise_the_same(
    tiny, folder, tmp_path, signum, code
):
    train(tiny(), str(folder), tmp_path / "whole", Witness())
    with pytest.raises(Interrupted) as stop:
        train(tiny(), str(folder), tmp_path / "cut", StopAt(3, signum))
    assert stop.value.exit_code == code
    assert json.loads((tmp_path / "cut/run.json").read_text())["status"] == "interrupted"
    resume(tmp_path / "cut", Witness())
    assert_same(final_state(tmp_path / "whole"), final_state(tmp_path / "cut"))
    keep = ("step", "loss", "rankme")
    wanted, got = (
        [{k: line[k] for k in keep if k in line} for line in lines(tmp_path / name)]
        for name in ("whole", "cut")
    )
    assert wanted == got
    with pytest.raises(UserError, match="the run is complete"):
        resume(tmp_path / "cut", Witness())


SCRIPT = """
import sys
from pathlib import Path
from tests.processes import started
from tests.train.conftest import TINY, Witness
from ilk.train import Settings, resume, train
directory = Path(sys.argv[2])
if (directory / "run.json").exists() or (directory / "checkpoint.safetensors").exists():
    resume(directory, Witness())
else:
    train(Settings(**TINY, steps=40, checkpoint_every=1), sys.argv[1], directory, Witness())
"""


def test_resume_after_kill_nine_is_bitwise_the_same(tiny, folder, tmp_path):
    train(tiny(steps=40, checkpoint_every=1), str(folder), tmp_path / "whole", Witness())
    command = [sys.executable, "-c", SCRIPT, str(folder), str(tmp_path / "killed")]
    metrics = tmp_path / "killed/metrics.jsonl"
    deadline = time.monotonic() + 120
    with started(command) as process:
        while time.monotonic() < deadline and process.poll() is None:
            if metrics.exists() and len(metrics.read_text().splitlines()) > 5:
                break
            time.sleep(0.01)
        assert holder(tmp_path / "killed/run.json").pid == process.pid
    assert holder(tmp_path / "killed/run.json") is None
    step = load(tmp_path / "killed" / CHECKPOINT)[1]["step"]
    assert 0 < step < 40
    resume(tmp_path / "killed", Witness())
    assert_same(final_state(tmp_path / "whole"), final_state(tmp_path / "killed"))


def test_a_loss_that_is_not_finite_leaves_weights_and_checkpoint(
    tiny, pictures, tmp_path, monkeypatch
):
    losses, before = Trainer._losses, {}

    def broken(self, context):
        out = losses(self, context)
        if self.step == 4:
            before.update({k: v.clone() for k, v in self.student.named_parameters()})
            before["trainer"] = self
            out["clean"] = out["clean"] * float("nan")
        return out

    monkeypatch.setattr(Trainer, "_losses", broken)
    with pytest.raises(UserError, match="the loss must be finite.*lower lr"):
        train(tiny(checkpoint_every=2), pictures, tmp_path / "run", Witness())
    trainer = before.pop("trainer")
    assert all(torch.equal(p, before[name]) for name, p in trainer.student.named_parameters())
    assert load(tmp_path / "run" / CHECKPOINT)[1]["step"] == 4
    assert json.loads((tmp_path / "run/run.json").read_text())["status"] == "failed"


def test_a_full_disk_keeps_the_old_checkpoint_and_says_so(tiny, folder, tmp_path, monkeypatch):
    real, seen = os.fsync, []

    def full(descriptor: int) -> None:
        if "checkpoint" in os.readlink(f"/proc/self/fd/{descriptor}"):
            seen.append(descriptor)
            if len(seen) > 1:
                raise OSError(28, "No space left on device")
        real(descriptor)

    monkeypatch.setattr("ilk.core.files.os.fsync", full)
    with pytest.raises(UserError, match="No space left.*what was there is kept"):
        train(tiny(checkpoint_every=2), str(folder), tmp_path / "run", Witness())
    assert load(tmp_path / "run" / CHECKPOINT)[1]["step"] == 2
    assert not list((tmp_path / "run").glob(".checkpoint*"))
    monkeypatch.undo()
    resume(tmp_path / "run", Witness())
    assert load(tmp_path / "run" / CHECKPOINT)[1]["step"] == 6


def test_bad_files_are_replaced_recorded_and_counted(tiny, folder, tmp_path):
    (folder / "class0" / "empty.png").write_bytes(b"")
    (folder / "class1" / "words.jpg").write_text("not an image")
    (folder / "class1" / "Thumbs.db").write_bytes(b"")
    (folder / "loose.png").write_bytes(next((folder / "class0").glob("0*.png")).read_bytes())
    train(tiny(steps=8), str(folder), tmp_path / "run", Witness())
    record = json.loads((tmp_path / "run/run.json").read_text())
    assert record["data"]["items"] == 35
    assert record["data"]["left_out"] == [
        {"reason": "files that end in .db", "count": 1, "first": "class1/Thumbs.db"}
    ]
    assert record["data"]["unlabelled"].startswith("1 of 35 images lie beside the folders")
    assert sorted(Path(bad["key"]).name for bad in record["bad_files"]) == [
        "empty.png", "words.jpg",
    ]  # fmt: skip
    assert all(bad["reason"] for bad in record["bad_files"])
    assert lines(tmp_path / "run")[-1]["bad_files"] == 2


def test_too_many_bad_files_stop_the_run(tiny, folder, tmp_path):
    for number in range(40):
        (folder / "class0" / f"bad{number}.png").write_bytes(b"nothing")
    with pytest.raises(UserError, match="bad|unreadable"):
        train(tiny(steps=50), str(folder), tmp_path / "run", Witness())


def test_collapse_sounds_once_explains_and_can_stop(tiny, pictures, tmp_path, monkeypatch):
    monkeypatch.setattr(run_module, "signs", lambda *_: {"feature_std": 0.01, "rankme": 1.1})
    witness = Witness()
    train(tiny(steps=12), pictures, tmp_path / "on", witness)
    assert len(witness.messages) == 1
    assert "since step 0" in witness.messages[0]
    assert "a lower lr" in witness.messages[0]
    with pytest.raises(Collapsed):
        train(tiny(steps=12, stop_on_collapse=True), pictures, tmp_path / "off", Witness())
    assert json.loads((tmp_path / "off/run.json").read_text())["status"] == "collapsed"


def test_a_directory_with_a_run_is_not_overwritten(tiny, pictures, tmp_path):
    train(tiny(steps=1), pictures, tmp_path / "run", Witness())
    with pytest.raises(UserError, match="--resume"):
        train(tiny(steps=1), pictures, tmp_path / "run", Witness())


def test_a_run_belongs_to_one_process_at_a_time(tiny, folder, tmp_path):
    run = tmp_path / "run"
    with lock(run / "run.json", "x"):
        with pytest.raises(
            UserError, match=rf"^directory: {run}.*one process.*{os.getpid()} on"
        ):
            train(tiny(), str(folder), run, Witness())
        assert not list(run.glob("[!.]*"))
    with pytest.raises(Interrupted):
        train(tiny(), str(folder), run, StopAt(2, signal.SIGTERM))
    before = {path.name: path.read_bytes() for path in run.iterdir() if path.is_file()}
    with lock(run / "run.json", "x"):
        with pytest.raises(UserError, match=rf"^resume: {run}.*one process at a time"):
            resume(run, Witness())
        assert all((run / name).read_bytes() == before[name] for name in before)
    resume(run, Witness())
    assert not list(run.glob(".*"))


def test_what_killed_saves_left_is_swept_and_nothing_else(tiny, folder, tmp_path):
    run = tmp_path / "run"
    run.mkdir()
    left = [".checkpoint.safetensors.00ff.tmp", ".run.json.77.tmp", ".encoder.json.0a.tmp"]
    kept = [".evaluation.json.00ff.tmp", ".notes.tmp", ".notes.txt"]
    for name in left + kept:
        (run / name).write_text("")
    train(tiny(steps=1), str(folder), run, Witness())
    names = {path.name for path in run.iterdir()}
    assert names.isdisjoint(left)
    assert names.issuperset(kept)


def test_nothing_is_left_of_a_run_that_could_not_begin(tiny, tmp_path):
    with pytest.raises(UserError):
        train(tiny(), str(tmp_path / "no images"), tmp_path / "run", Witness())
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("place", ["file/run", "file", "/proc/run", "/dev/null"])
def test_a_place_that_cannot_be_written_ends_a_run_before_its_data_is_read(
    tiny, tmp_path, place
):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match=r"^directory: .* must be writable, got"):
        train(tiny(), str(tmp_path / "no images"), tmp_path / place, Witness())


def test_changed_data_is_noticed_on_resume(tiny, folder, tmp_path):
    with pytest.raises(Interrupted):
        train(tiny(), str(folder), tmp_path / "run", StopAt(2, signal.SIGTERM))
    next(folder.rglob("*.png")).unlink()
    with pytest.raises(UserError, match="what it held when the run began"):
        resume(tmp_path / "run", Witness())


def test_minutes_become_steps(tiny, pictures, tmp_path):
    train(tiny(steps=None, minutes=0.01), pictures, tmp_path / "run", Witness())
    record = json.loads((tmp_path / "run/run.json").read_text())
    assert record["length"]["steps"] >= 1
    assert record["settings"]["minutes"] == 0.01


def test_accumulated_micro_batches_count_as_one_step(tiny, pictures, tmp_path):
    train(tiny(accumulate=2, steps=None, epochs=2), pictures, tmp_path / "run", Witness())
    record = json.loads((tmp_path / "run/run.json").read_text())
    assert record["length"] == {"steps": 8, "steps_per_epoch": 4.0}
