"""``ilk view``: the page of an index, on this machine."""

import shlex
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from ilk.cli.terminal import answer, plain, say, terminal
from ilk.core.endings import check_page
from ilk.core.errors import UserError
from ilk.progress import TrainDisplay

if TYPE_CHECKING:
    from ilk.explore.page import Page

PORT = 8731


def view(
    index: Path,
    *others: str,
    port: int = PORT,
    export: Path | None = None,
    open: bool = True,
    encoder: str | None = None,
    decisions: Path = Path("curation.parquet"),
    pairs: Path = Path("pairs.parquet"),
) -> None:
    """Look at the images of an index: map, grid, neighbours, duplicates, issues, decisions.

    The page is served to this machine alone, loads nothing from elsewhere, and never deletes an
    image: decisions and pairs are written to tables that ilk train reads.

    Parameters
    ----------
    index
        Show this index, as ilk index wrote it.
    others
        Show the same images under these too: runs, encoders, tables of ilk embed, or indexes.
    port
        Use this port of 127.0.0.1; 0 takes one that is free.
    export
        Write a page of one file that needs no server to this path, and serve nothing.
    open
        Show the page in a browser, where there is a display.
    encoder
        Use this encoder to search by an image, where the index does not say where its own lies.
    decisions
        Write what is decided about images to this table.
    pairs
        Write pairs that are marked as the same or different to this table.
    """
    if export is None:
        _check_installed()
    else:
        check_page(export, "--export")
    page = _opened(index, others, encoder, (decisions, pairs), at_once=export is not None)
    if export is not None:
        _export(page, export)
    else:
        _serve(page, port, browser=open)


def _check_installed() -> None:
    missing = [name for name in ("fastapi", "uvicorn") if find_spec(name) is None]
    if missing:
        raise UserError(
            f"view: needs {' and '.join(missing)}, which is not installed; call pip install "
            "'ilk[view]', or write a page that needs no server by --export page.html"
        )


def _opened(
    index: Path, others: tuple[str, ...], encoder: str | None, files: tuple[Path, Path],
    *, at_once: bool,
) -> "Page":  # fmt: skip
    from ilk.explore import Jobs, Page, open_collection
    from ilk.search import Index

    with TrainDisplay(terminal(), "embed") as display:
        collection = open_collection(
            Index.open(index), others, encoder=encoder,
            progress=lambda name, done, of: display.on_step(done, of, {}),
        )  # fmt: skip
    command = f"ilk search {shlex.quote(str(index))} QUERY"
    return Page.of(collection, *files, jobs=Jobs(at_once=at_once), command=command)


def _serve(page: "Page", port: int, *, browser: bool) -> None:
    from ilk.explore.app import application
    from ilk.explore.serve import HOST, listening, serve, show

    console = terminal()
    bound = listening(port)
    port = bound.getsockname()[1]
    app = application(page, port)
    address = f"http://{HOST}:{port}"

    def ready() -> None:
        say(console, f"The page is at {plain(address + app.home)}")
        say(console, "It is for this machine alone; Ctrl-C closes it.")
        answer({"page": address + app.home})
        if browser:
            show(address + app.door)

    page.begin()
    serve(app, bound, ready)
    say(console, "The page is closed.")
    page.jobs.leave()


def _export(page: "Page", path: Path) -> None:
    from ilk.explore.portable import export_page

    console = terminal()
    with TrainDisplay(console, "export") as display:
        export_page(page, path, lambda done, of: display.on_step(done, of, {}))
    say(console, f"The page is in {plain(path)}")
    answer({"page": str(path)})
