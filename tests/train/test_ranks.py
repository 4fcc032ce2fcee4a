"""Processes that decide as one, and say who is missing."""

import json
import signal

import pytest

from ilk.core import UserError
from ilk.train.processes.ranks import check_same, from_first, largest, processes, together
from tests.processes import ranks


@pytest.mark.slow
@pytest.mark.xdist_group("ranks")
def test_the_first_decides_and_all_fail_together(tmp_path):
    done = ranks("tests.train.agreeing", str(tmp_path))
    assert [rank.returncode for rank in done] == [0, 0], done
    one, two = (json.loads((tmp_path / f"{rank}.json").read_text()) for rank in (0, 1))
    assert one["first"] == two["first"] == "seen by 0"
    assert one["first fails"] == two["first fails"] == "no such folder"
    assert one["bug"] == "raised"
    assert two["bug"] == "failed by KeyError('odd')"
    assert (one["together"], two["together"]) == (0, 1)
    assert one["one fails"].startswith("rank 1 on ")
    assert one["one fails"].endswith(": no such folder")
    assert two["one fails"] == "no such folder"
    assert one["same"] == two["same"] == "none"
    assert "the same files, got x0 on rank 0" in one["other"] == two["other"]
    assert one["largest"] == two["largest"] == 15
    assert one["facts"] == two["facts"] == {"step": 3}
    assert one["tensors"] == two["tensors"] == {
        "a": ["torch.float32", [[0.0, 1.0, 2.0], [3.0, 4.0, 5.0]]],
        "b": ["torch.bool", True], "c": ["torch.float32", []], "d": ["torch.bfloat16", [1.5]],
    }  # fmt: skip


@pytest.mark.slow
@pytest.mark.xdist_group("ranks")
def test_a_rank_that_does_not_come_is_named_and_not_waited_for_for_ever(tmp_path):
    short = {"ILK_RANK_TIMEOUT": "10"}
    done = ranks("tests.train.agreeing", str(tmp_path), env=(short, short | {"LATE": "1"}))
    assert [rank.returncode for rank in done] == [2, -signal.SIGKILL]
    assert "within 10 s of each other, rank 1 on " in done[0].stdout


def test_alone_everything_is_done_at_once():
    with processes():
        assert from_first(lambda: 3) == together(lambda: 3) == largest(3) == 3
        check_same("x", "data", "files")
    with pytest.raises(UserError, match="no"), processes():
        from_first(_fails)


def _fails() -> None:
    raise UserError("no")


@pytest.mark.parametrize("given", ["", "soon", "0", "-1", "inf", "nan"])
def test_a_timeout_that_is_none_is_refused(monkeypatch, given):
    for name, value in {
        "TORCHELASTIC_RUN_ID": "x", "WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2", "RANK": "0",
        "LOCAL_RANK": "0", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "1",
        "ILK_RANK_TIMEOUT": given,
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    refused = pytest.raises(UserError, match="ILK_RANK_TIMEOUT: must be a number of seconds")
    with refused, processes():
        pass
