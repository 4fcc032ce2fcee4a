"""One browser and one served page for all tests that look at the page."""

import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ilk.explore import Page, open_collection
from ilk.explore.app import application
from ilk.explore.jobs import Jobs
from ilk.explore.serve import listening
from ilk.search import Index
from tests.explore.browser.seen import Seen

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
ARGUMENTS = ["--no-sandbox", "--use-gl=angle", "--use-angle=swiftshader",
             "--enable-unsafe-swiftshader"]  # fmt: skip


@pytest.fixture(scope="package")
def browser() -> Iterator[Any]:
    playwright = pytest.importorskip("playwright.sync_api", reason="needs playwright")
    if CHROMIUM is None:
        pytest.skip("needs Chromium")
    with playwright.sync_playwright() as started:
        opened = started.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield opened
        opened.close()


@pytest.fixture(scope="package")
def served(made: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """The address of a page of two encoders, and the folder that it writes into."""
    uvicorn = pytest.importorskip("uvicorn", reason="the page needs ilk[view]")
    folder = tmp_path_factory.mktemp("served")
    shutil.copytree(made / "photos.index", folder / "photos.index")
    index = Index.open(folder / "photos.index")
    collection = open_collection(index, [str(made / "photos.parquet")])
    files = folder / "curation.parquet", folder / "pairs.parquet"
    page = Page.of(collection, *files, jobs=Jobs(at_once=True))
    page.begin()
    bound = listening(0)
    app = application(page, bound.getsockname()[1])
    config = uvicorn.Config(app, log_config=None, access_log=False, lifespan="off",
                            timeout_graceful_shutdown=1)  # fmt: skip
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [bound]}, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{bound.getsockname()[1]}{app.home}", folder
    server.should_exit = True
    thread.join(10)
    bound.close()


@pytest.fixture
def seen(browser: Any, served: tuple[str, Path]) -> Iterator[Seen]:
    page = Seen(browser).open(served[0])
    yield page
    page.close()
