"""The command line: one file per verb; only this package prints, parses or exits."""

import os
import sys

from cyclopts import App, CycloptsError
from rich.console import Console

from ilk.core.errors import UserError

app = App(
    name="ilk",
    help="Learn, from images nobody labelled, which images are of the same ilk.",
    version_flags=["--version"],
)
for _verb in ("train", "embed", "evaluate", "methods", "export", "demo"):
    app.command(f"ilk.cli.{_verb}:{_verb}", name=_verb)


def main() -> None:
    """Run a verb: exit status 2 for what the user can put right, 128 + signal when stopped."""
    console = Console(stderr=True)
    # OpenMP threads that spin while they wait slow the decoding threads beside them.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    try:
        app(exit_on_error=False, print_error=False, console=Console())
    except (UserError, CycloptsError) as error:
        console.print(
            f"[bold red]ilk:[/] {_one_line(str(error))}", highlight=False, soft_wrap=True
        )
        sys.exit(2)
    except KeyboardInterrupt:
        console.print("[bold red]ilk:[/] stopped")
        sys.exit(130)


def _one_line(text: str) -> str:
    from rich.markup import escape

    return escape(" ".join(text.split()))
