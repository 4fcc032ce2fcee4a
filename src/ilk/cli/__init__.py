"""The command line: one file per verb; only this package prints, parses or exits."""

import contextlib
import os
import signal
import sys
from collections.abc import Generator
from types import FrameType
from typing import Annotated, Any

from cyclopts import App, CycloptsError, Parameter
from rich.console import Console

from ilk.cli.allocator import keep_freed_memory
from ilk.cli.flags import with_flag
from ilk.cli.terminal import (
    Manner,
    errors,
    in_manner,
    plain,
    standard_streams,
    terminal,
    warnings_as_lines,
)
from ilk.core.errors import UserError

# Read when torch is loaded, which is after this: threads that spin while they wait for one
# another slow everything else on the machine, and themselves where something else runs.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

VERBS = {
    "train": "Train an encoder on unlabelled images.",
    "pack": "Make images smaller once, in one file that is quick to read.",
    "embed": "Turn images into a table of vectors: parquet, CSV or NumPy.",
    "index": "Make a table of vectors searchable.",
    "search": "Find the images that are nearest to yours.",
    "predict": "Predict the class of images: parquet, CSV or NumPy.",
    "issues": "Find images that are unreadable, dark, blurry, odd or out of place.",
    "cluster": "Find groups of similar images in an index.",
    "select": "Choose images of an index to label or to train on.",
    "evaluate": "Score an encoder on labelled images.",
    "compare": "Train several methods over several seeds, and compare them.",
    "look": "See what an encoder looks at in images: attention, components, answers.",
    "view": "Look at the images of an index on a page, on this machine.",
    "duplicates": "Find copies among images, and list which of them stay.",
    "leaks": "Find test images that are copies of train images.",
    "report": "Make one page from the results of ilk evaluate.",
    "kin": "Show positives, negatives and ignored images of a run.",
    "methods": "List all methods, mixes and kin rules, or describe one.",
    "export": "Write an encoder for timm or as ONNX.",
    "completion": "Write what bash, zsh or fish need to complete commands.",
    "demo": "Train, evaluate and report on synthetic images or on your own.",
}


def default_shown(value: object) -> str | None:
    """A default as help pages show it; what says nothing to a person is left out."""
    if value is True:
        return "on"
    return None if value is None or value is False or value == () else str(value)


app = App(
    name="ilk",
    help="Learn visual representations from unlabelled images.",
    default_parameter=Parameter(show_default=default_shown),
    version_flags=["--version"],
    suppress_keyboard_interrupt=False,  # it is handled below
)
for _verb, _help in VERBS.items():
    app.command(f"ilk.cli.{_verb}:{_verb}", name=_verb, help=_help)


CALLED: Any = {"exit_on_error": False, "print_error": False}
app.meta.suppress_keyboard_interrupt = False  # it does not take that from its app


@app.meta.default
def _verb_in_manner(
    *words: Annotated[str, Parameter(show=False, allow_leading_hyphen=True)],
    quiet: Annotated[bool, Parameter(negative=())] = False,
    json: Annotated[bool, Parameter(negative=())] = False,
) -> None:
    """Run what the words say.

    Parameters
    ----------
    quiet
        Print nothing but errors.
    json
        Print the result as one JSON object to standard output, and all else to standard error.
    """
    with in_manner(Manner(quiet=quiet, json=json)):
        app(words, **CALLED, console=terminal())


def main() -> None:
    """Run a verb: exit status 2 for what the user can put right, 128 + signal when stopped."""
    with standard_streams(), warnings_as_lines(), _stoppable():
        _run()


def _run() -> None:
    console = errors()
    keep_freed_memory()
    try:
        app.meta(sys.argv[1:], **CALLED, console=terminal())
    except CycloptsError as error:
        _fail(console, str(error))
    except _Stopped as stop:
        console.print(f"[bold red]ilk:[/] The command was stopped by {stop}.", highlight=False)
        sys.exit(128 + stop.signum)
    except KeyboardInterrupt:
        console.print("[bold red]ilk:[/] The command was stopped.")
        sys.exit(130)
    except UserError as error:
        _fail(console, with_flag(str(error), sys.argv[1:]))
    except OSError as error:  # a place that may not be looked at, or a name that is too long
        if error.filename is None:
            raise
        _fail(console, f"{error.filename}: must be a place that can be used, {error.strerror}")


class _Stopped(BaseException):
    """By a signal that would end the process without a word, temporary files left behind."""

    def __init__(self, signum: int) -> None:
        super().__init__(signal.Signals(signum).name)
        self.signum = signum


@contextlib.contextmanager
def _stoppable() -> Generator[None]:
    """SIGTERM and SIGHUP end what goes on as Ctrl-C does, unless they are ignored."""

    def stop(signum: int, frame: FrameType | None) -> None:
        raise _Stopped(signum)

    before: dict[int, Any] = {}
    for name in ("SIGTERM", "SIGHUP"):
        signum = getattr(signal, name, None)  # SIGHUP is unknown to Windows
        if signum is not None and signal.getsignal(signum) is signal.SIG_DFL:
            with contextlib.suppress(ValueError):  # in a thread signals are the main one's
                before[signum] = signal.signal(signum, stop)
    try:
        yield
    finally:
        for signum, handler in before.items():
            signal.signal(signum, handler)


def _fail(console: Console, text: str) -> None:
    line = plain(" ".join(text.split()))
    console.print(f"[bold red]ilk:[/] {line}", highlight=False, soft_wrap=True)
    sys.exit(2)
