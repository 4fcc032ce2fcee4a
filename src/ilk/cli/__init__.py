"""The command line: one file per verb; only this package prints, parses or exits."""

import os
import sys

from cyclopts import App, CycloptsError
from rich.console import Console
from rich.markup import escape

from ilk.cli.allocator import keep_freed_memory

# Read when torch is loaded, which is after this: threads that spin while they wait for one
# another slow everything else on the machine, and themselves where something else runs.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

VERBS = {
    "train": "Train an encoder on unlabelled images.",
    "embed": "Turn images into vectors, as parquet.",
    "evaluate": "Score an encoder on labelled images.",
    "compare": "Train several methods over several seeds, and compare them.",
    "report": "Lay out what ilk evaluate found as one page.",
    "kin": "Draw kin, negatives and ignored images of a run.",
    "methods": "List every method and mix, or show one whole.",
    "export": "Write an encoder for timm or as ONNX.",
    "demo": "Train, score and report on drawn images, or on your own.",
}
app = App(
    name="ilk",
    help="Learn, from images nobody labelled, which images are of the same ilk.",
    version_flags=["--version"],
)
for _verb, _help in VERBS.items():
    app.command(f"ilk.cli.{_verb}:{_verb}", name=_verb, help=_help)


def main() -> None:
    """Run a verb: exit status 2 for what the user can put right, 128 + signal when stopped."""
    console = Console(stderr=True)
    keep_freed_memory()
    try:
        app(sys.argv[1:], exit_on_error=False, print_error=False, console=Console())
    except CycloptsError as error:
        _fail(console, str(error))
    except KeyboardInterrupt:
        console.print("[bold red]ilk:[/] stopped")
        sys.exit(130)
    except Exception as error:
        from ilk.core.errors import (
            UserError,
        )  # loads torch, which `ilk --help` need not wait for

        if not isinstance(error, UserError):
            raise
        _fail(console, str(error))


def _fail(console: Console, text: str) -> None:
    line = escape(" ".join(text.split()))
    console.print(f"[bold red]ilk:[/] {line}", highlight=False, soft_wrap=True)
    sys.exit(2)
