"""Whatever becomes of the terminal, a command does its work."""

import errno
import io
import os
import select
import shlex
import signal
import sys
import time
import warnings
from types import SimpleNamespace

import pytest
from rich.console import Console
from rich.file_proxy import FileProxy

from ilk.cli import main
from ilk.cli.terminal import _STREAMS, Manner, _fill_gaps, in_manner
from ilk.core.errors import UserError
from ilk.progress import TrainDisplay
from tests.cli.conftest import TINY, status
from tests.processes import started


class Broken(io.StringIO):
    """A stream that cannot be written to."""

    encoding = "utf-8"

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self.error = error

    def write(self, text: str) -> int:
        raise self.error

    def flush(self) -> None:
        raise self.error


FAULTS = [
    BrokenPipeError(errno.EPIPE, "Broken pipe"),
    OSError(errno.ENOSPC, "No space left on device"),
    OSError(errno.EIO, "Input/output error"),
    ValueError("I/O operation on closed file"),
]


@pytest.mark.parametrize("fault", [*FAULTS, None], ids=str)
def test_a_run_ends_well_when_nothing_can_be_printed(folder, tmp_path, monkeypatch, fault):
    broken = None if fault is None else Broken(fault)
    monkeypatch.setattr(sys, "stdout", broken)
    monkeypatch.setattr(sys, "stderr", broken)
    run = tmp_path / "run"
    assert status(monkeypatch, "train", folder / "train", *TINY, "--steps", 1, "-o", run) == 0
    parts = ("--train", folder / "train", "--test", folder / "test", "--protocols", "knn")
    assert status(monkeypatch, "evaluate", run, *parts) == 0
    assert (run / "evaluation.json").exists()
    assert status(monkeypatch, "train", folder / "no", "-o", tmp_path / "other") == 2


def test_output_that_is_the_product_must_be_writable(ilk, monkeypatch):
    said = []
    for fault in FAULTS[:2]:
        with monkeypatch.context() as patch:
            patch.setattr(sys, "stdout", Broken(fault))
            said.append(ilk("methods", "byol"))
    assert [one.code for one in said] == [0, 2]
    assert "output: must be writable, got" in said[1].err
    assert "No space left" in said[1].err


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252"])
def test_letters_that_a_terminal_has_not_come_out_as_escapes(
    folder, tmp_path, monkeypatch, encoding
):
    out = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(out, encoding=encoding))
    monkeypatch.setattr(sys, "stderr", io.TextIOWrapper(out, encoding=encoding))
    (tmp_path / "bilder 图").symlink_to(folder)
    data = tmp_path / "bilder 图"
    parts = ("--train", data / "train", "--test", data / "test", "--protocols", "knn")
    assert status(monkeypatch, "evaluate", "pixels", *parts, "-o", tmp_path / "图.json") == 0
    assert status(monkeypatch, "methods", "barlow-twins") == 0
    assert status(monkeypatch, "embed", "pixels", data / "图", "-o", tmp_path / "x") == 2
    sys.stdout.flush()
    sys.stderr.flush()
    assert b"\\u56fe" in out.getvalue()


@pytest.mark.parametrize(
    "name", ["[bold]x[/]", "[/]", "[red", "\x1b[31mx", "a\nb", "\u202egpj"]
)
def test_names_are_shown_and_never_acted_upon(ilk, folder, tmp_path, name):
    run = tmp_path / name
    assert ilk("train", folder / "train", *TINY, "--steps", 1, "-o", run).code == 0
    parts = ("--train", folder / "train", "--test", folder / "test", "--protocols", "knn")
    told = [
        ilk("evaluate", run, *parts), ilk("embed", run, folder / "test", "-o", run / "v"),
        ilk("export", run), ilk("export", run, "--to", "timm"),
        ilk("report", run, "-o", run / "r.html"),
        ilk("embed", tmp_path / f"no {name}", folder / "test"), ilk("methods", name),
    ]  # fmt: skip
    assert [one.code for one in told] == [0, 0, 0, 2, 0, 2, 2]
    for one in told:
        assert "\x1b" not in one.out + one.err
        assert "\u202e" not in one.out + one.err
    page = (run / "r.html").read_text()
    assert "\x1b" not in page
    assert "&#8238;" not in page


def test_closed_streams_become_no_files(monkeypatch):
    taken = []

    def closed(descriptor: int) -> None:
        if descriptor == 1:
            raise OSError(errno.EBADF, "Bad file descriptor")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fstat", closed)
        patch.setattr(os, "open", lambda *words: taken.append(words))
        _fill_gaps()
    assert taken == [(os.devnull, os.O_RDWR)]


@pytest.mark.parametrize(("signum", "code"), [(signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_signals_end_a_command_with_a_line(ilk, folder, tmp_path, monkeypatch, signum, code):
    def stopped(*_: object) -> None:
        os.kill(os.getpid(), signum)

    monkeypatch.setattr("ilk.train.fit.shared_images", stopped)
    said = ilk("train", folder / "train", *TINY, "-o", tmp_path / "run")
    assert (said.code, said.err.strip()) == (
        code,
        f"ilk: The command was stopped by {signum.name}.",
    )
    assert not (tmp_path / "run").exists()
    assert signal.getsignal(signum) is signal.SIG_DFL


def test_what_nohup_ignores_stays_ignored(ilk, folder, tmp_path, monkeypatch):
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        monkeypatch.setattr(
            "ilk.train.fit.check_free", lambda _: os.kill(os.getpid(), signal.SIGHUP)
        )
        said = ilk("train", folder / "train", *TINY, "--steps", 1, "-o", tmp_path / "run")
    finally:
        signal.signal(signal.SIGHUP, before)
    assert said.code == 0


def test_warnings_are_lines_that_are_said_once(monkeypatch, capsys):
    """Python would name the file and line of the code that warns."""

    def warns(*_: object, **__: object) -> None:
        for _ in range(2):
            warnings.warn("of [red] two\nlines", stacklevel=1)

    monkeypatch.setattr("ilk.cli.app", SimpleNamespace(meta=warns))
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        usual = warnings.showwarning
        main()
        with in_manner(Manner(quiet=True)):
            main()
        assert warnings.showwarning is usual
    assert capsys.readouterr().err == "warning: of [red] two lines\n"


def test_errors_are_one_line(monkeypatch, capsys):
    def fails() -> None:
        raise UserError("x: must be y,\n got [z]\x1b[0m")

    monkeypatch.setattr("ilk.cli.app", SimpleNamespace(meta=lambda *_, **__: fails()))
    with pytest.raises(SystemExit) as end:
        main()
    assert end.value.code == 2
    assert capsys.readouterr().err == "ilk: x: must be y,\\n got [z]\\x1b[0m\n"


@pytest.mark.slow
@pytest.mark.parametrize("ending", ["| head -1", "> /dev/full", ">&- 2>&-"])
def test_a_shell_that_takes_the_output_away(folder, tmp_path, ending):
    run = tmp_path / "run"
    words = [sys.executable, "-m", "ilk.cli", "train", folder / "train", *TINY, "-o", run]
    line = f"{shlex.join(map(str, words))} --steps 2 {ending}"
    began = time.monotonic()
    with started(["bash", "-c", f"set -o pipefail; {line}"]) as process:
        assert process.wait(120) == 0
    assert time.monotonic() - began < 120
    assert (tmp_path / "run/encoder.safetensors").exists()


def _seen_in_a_terminal(words, *, stop_at: str = "", signum: int = 0, longest: float = 120.0):
    """What a command prints on a terminal of its own, and its exit status.

    Once ``stop_at`` has been printed, the command gets the signal.
    """
    ours, theirs = os.openpty()
    text, sent = "", False
    command = [sys.executable, "-m", "ilk.cli", *map(str, words)]
    env = {"COLUMNS": "100", "TERM": "xterm"}
    streams = {"stdin": theirs, "stdout": theirs, "stderr": theirs}
    until = time.monotonic() + longest
    with started(command, env=env, start_new_session=True, **streams) as process:
        os.close(theirs)
        while time.monotonic() < until:
            if select.select([ours], [], [], 0.2)[0]:
                try:
                    text += os.read(ours, 65536).decode(errors="replace")
                except OSError:  # the other end is closed
                    break
            if signum and stop_at in text and not sent:
                process.send_signal(signum)
                sent = True
        else:
            pytest.fail(f"no end within {longest:g} s on a terminal; printed {text[-2000:]!r}")
        code = process.wait(30)
    os.close(ours)
    return code, text


def test_a_run_on_a_real_terminal_says_its_plan_and_ends(folder, tmp_path):
    run = tmp_path / "run"
    words = ("train", folder / "train", *TINY, "--steps", "3", "-o", run)
    code, text = _seen_in_a_terminal(words)
    assert code == 0, text
    assert "found" in text
    assert "encoder is in" in text
    assert (run / "encoder.safetensors").exists()


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
def test_a_run_on_a_real_terminal_is_stopped_and_saved(folder, tmp_path, signum):
    run = tmp_path / "run"
    words = ("train", folder / "train", *TINY, "--steps", "100000", "-o", run)
    code, text = _seen_in_a_terminal(words, stop_at="loss", signum=signum)
    assert code == 128 + signum, text
    assert (run / "checkpoint.safetensors").exists()
    assert "\x1b[?25h" in text  # the cursor is back


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
def test_a_run_that_is_stopped_before_its_plan_says_so(folder, tmp_path, signum):
    """What has been loaded of torch by then is half of it."""
    words = ("train", folder / "train", *TINY, "--steps", "9", "-o", tmp_path / "run")
    code, text = _seen_in_a_terminal(words, stop_at="reading", signum=signum)
    assert code == 128 + signum, text
    assert "The command was stopped" in text
    assert "Traceback" not in text


def test_a_bar_and_a_print_do_not_call_each_other_for_ever(monkeypatch):
    """While a bar is drawn, rich puts its own stream in the place of the standard ones."""
    out = io.StringIO()
    monkeypatch.setattr(sys, "stdout", out)
    console = Console(file=_STREAMS["stdout"], force_terminal=True, width=80)
    with TrainDisplay(console, "train") as display:
        assert isinstance(sys.stdout, FileProxy)
        display.on_step(1, 2, {"loss": 1.0})
        sys.stdout.write("a warning\n")
        console.print("a line")
    assert "a warning" in out.getvalue()
    assert "a line" in out.getvalue()
