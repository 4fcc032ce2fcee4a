"""The page by the command line."""

import os
import re
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import numpy as np
import pytest

from ilk.cli.view import view
from ilk.core import UserError
from ilk.search import build_index
from tests.search.conftest import save_table

pytest.importorskip("fastapi", reason="the page needs ilk[view]")
pytest.importorskip("uvicorn", reason="the page needs ilk[view]")


@pytest.fixture
def index(tmp_path: Path) -> Path:
    vectors = np.random.default_rng(0).normal(size=(12, 4)).astype(np.float32)
    build_index(save_table(tmp_path / "photos.parquet", vectors), tmp_path / "photos.index")
    return tmp_path / "photos.index"


def test_the_page_is_served_until_ctrl_c(index: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "ilk.cli", "view", str(index), "--port", "0"]
    without_display = {name: os.environ[name] for name in os.environ if "DISPLAY" not in name}
    with subprocess.Popen(
        command, cwd=tmp_path, env=without_display, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        found = re.search(r"http://127\.0\.0\.1:\d+/[\w-]{20,}/", process.stdout.readline())
        assert found is not None
        with urllib.request.urlopen(f"{found[0]}api/about") as answer:
            assert b'"count":12' in answer.read()
        with urllib.request.urlopen(found[0]) as answer:
            assert b"<!doctype html>" in answer.read().lower()
        with pytest.raises(urllib.error.HTTPError, match="403"):
            urllib.request.urlopen(found[0].rpartition("/")[0][:-1] + "/")
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=120)
    assert process.returncode == 0
    assert "The page is closed." in out
    assert err == ""


def test_a_taken_port_is_one_clear_line(index: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(UserError, match=rf"^port: .*{port}.*choose another or 0"):
            view(index, port=port, open=False)


def test_what_is_missing_is_named(index: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ilk.cli.view.find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"pip install 'ilk\[view\]'"):
        view(index)
