"""How a run is stopped, and what does not stop it."""

import json
import os
import signal
import time
from pathlib import Path

import pytest

from ilk.core import UserError
from ilk.data import Arrays
from ilk.train import Interrupted, read_record, resume, run, train
from ilk.train.records.metrics import Metrics
from tests.train.conftest import Witness
from tests.train.test_run import StopAt, assert_same, final_state, lines


def test_a_closed_terminal_saves_like_sigterm(tiny, folder, tmp_path):
    train(tiny(), str(folder), tmp_path / "whole", Witness())
    with pytest.raises(Interrupted) as stop:
        train(tiny(), str(folder), tmp_path / "cut", StopAt(3, signal.SIGHUP))
    assert stop.value.exit_code == 129
    resume(tmp_path / "cut", Witness())
    assert_same(final_state(tmp_path / "whole"), final_state(tmp_path / "cut"))


def test_a_disk_that_was_full_at_the_first_checkpoint_loses_no_run(
    tiny, folder, tmp_path, monkeypatch
):
    train(tiny(steps=3), str(folder), tmp_path / "whole", Witness())

    def full(*words):
        raise UserError("checkpoint: must be writable, got 'No space left on device'")

    save = run.save
    monkeypatch.setattr(run, "save", full)
    with pytest.raises(UserError, match="No space left"):
        train(tiny(steps=3), str(folder), tmp_path / "cut", Witness())
    monkeypatch.setattr(run, "save", save)
    record = read_record(tmp_path / "cut")
    assert (record["status"], record["step"] > 0, record["saved"]) == ("failed", True, 0)
    resume(tmp_path / "cut", Witness())
    assert_same(final_state(tmp_path / "whole"), final_state(tmp_path / "cut"))
    assert read_record(tmp_path / "cut")["saved"] == 3


@pytest.mark.parametrize("signum", [signal.SIGHUP, signal.SIGINT, signal.SIGTERM])
def test_signals_that_were_ignored_stay_so(tiny, folder, tmp_path, signum):
    before = signal.signal(signum, signal.SIG_IGN)
    try:
        train(tiny(steps=4), str(folder), tmp_path / "run", StopAt(2, signum))
        assert signal.getsignal(signum) is signal.SIG_IGN
    finally:
        signal.signal(signum, before)
    assert json.loads((tmp_path / "run/run.json").read_text())["step"] == 4


class Slow(Arrays):
    """Images that take long, the third of which sends a signal."""

    asked = 0

    def item(self, index):
        self.asked += 1
        if self.asked == 3:
            os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(0.2)
        return super().item(index)


def test_before_the_first_step_a_run_ends_at_once(tiny, pictures, tmp_path):
    slow = Slow(pictures[0], pictures[1], name="slow", classes=("a", "b", "c", "d"))
    began = time.monotonic()
    with pytest.raises(Interrupted):
        train(tiny(batch_size=32), slow, tmp_path / "run", Witness())
    assert slow.asked < 20
    assert time.monotonic() - began < 60
    record = json.loads((tmp_path / "run/run.json").read_text())
    assert (record["status"], record["step"]) == ("interrupted", 0)
    resume(tmp_path / "run", Witness(), pictures)


class Deaf(Witness):
    """A watcher whose terminal is gone."""

    def on_step(self, step, steps, numbers):
        super().on_step(step, steps, numbers)
        raise BrokenPipeError(32, "Broken pipe")


def test_a_progress_line_that_cannot_be_shown_ends_nothing(tiny, folder, tmp_path):
    deaf = Deaf()
    train(tiny(), str(folder), tmp_path / "run", deaf)
    assert deaf.steps == [1, 2, 3, 4, 5, 6]


NOISE = [
    b'{"step": 7, "loss": 1.0}\n', b"\xff\xfe\n", b'{"loss": 1}\n', b"[]\n", b"3\n",
    b'"step"\n',
    b'{"step": "one"}\n', b'{"step": null}\n', b"[" * 10_000 + b"\n", b"\n", b'{"step": 1, "lo',
]  # fmt: skip


def test_damaged_metrics_are_left_out_and_the_rest_is_kept(tmp_path):
    good = [json.dumps({"step": step, "loss": 0.5}).encode() + b"\n" for step in range(3)]
    (tmp_path / "metrics.jsonl").write_bytes(
        good[0] + NOISE[1] + good[1] + b"".join(NOISE[:-1]) + good[2] + NOISE[-1]
    )
    metrics = Metrics(tmp_path, 2, lambda _: None)
    metrics.write({"step": 2, "loss": 0.25})
    metrics.close()
    assert lines(tmp_path) == [
        {"step": 0, "loss": 0.5}, {"step": 1, "loss": 0.5}, {"step": 2, "loss": 0.25},
    ]  # fmt: skip


def test_metrics_are_rewritten_beside(tmp_path, monkeypatch):
    old = b'{"step": 0}\n{"step": 1}\n'
    (tmp_path / "metrics.jsonl").write_bytes(old)

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(UserError, match=r"metrics: .* must be writable, got 'No space"):
        Metrics(tmp_path, 1, lambda _: None)
    monkeypatch.undo()
    assert (tmp_path / "metrics.jsonl").read_bytes() == old


def test_metrics_on_a_full_disk_are_told_once(tmp_path):
    told: list[str] = []
    metrics = Metrics(tmp_path, 0, told.append)
    metrics._file.close()
    metrics._file = Path("/dev/full").open("ab")  # noqa: SIM115
    for step in range(3):
        metrics.write({"step": step})
    metrics.close()
    assert told == ["metrics: some lines are lost, got 'No space left on device'"]


def test_a_place_for_curves_that_is_none_is_said_at_the_start(tiny, folder, tmp_path):
    pytest.importorskip("tensorboard")
    (tmp_path / "run").mkdir()
    (tmp_path / "run/tensorboard").write_text("")
    with pytest.raises(
        UserError, match=r"tensorboard: .* must be writable, got '.*a file where"
    ):
        train(tiny(), str(folder), tmp_path / "run", Witness())
