"""A small index of real files, some of them by somebody hostile, and its page."""

import io
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("fastapi", reason="the page needs ilk[view]")

from starlette.testclient import TestClient

from ilk.data import open_source
from ilk.embedding import embed_to_table
from ilk.explore import Page, open_collection
from ilk.explore.app import application
from ilk.explore.jobs import Jobs
from ilk.explore.safety import Guarded
from ilk.networks import load_encoder
from ilk.search import Index, build_index

PORT = 8731
TOKEN = "a-secret-of-this-test"
NASTY = '"><img src=x onerror=alert(1)>.png'
ENCODER = "random:resnet_mini"
SCRIPT = "<script>alert(1)</script>"
ORIGIN = f"http://127.0.0.1:{PORT}"


def photo(seed: int, width: int = 48, height: int = 32) -> np.ndarray:
    """Smooth colours that depend on the seed."""
    rng = np.random.default_rng(seed)
    small = rng.integers(0, 255, (4, 4, 3), np.uint8)
    return np.asarray(Image.fromarray(small).resize((width, height), Image.Resampling.BICUBIC))


def jpeg(pixels: np.ndarray, orientation: int = 1, model: str = "Camera") -> bytes:
    image, into = Image.fromarray(pixels), io.BytesIO()
    exif = Image.Exif()
    exif[0x0112], exif[0x0110] = orientation, model
    image.save(into, "jpeg", exif=exif, quality=95)
    return into.getvalue()


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with photos/ and photos.index of 42 images."""
    folder = tmp_path_factory.mktemp("explore")
    photos = folder / "photos"
    for kind, first in (("cat", 0), ("dog", 100)):
        (photos / kind).mkdir(parents=True)
        for number in range(19):
            pixels = photo(first + number % 18)  # the last repeats the first
            Image.fromarray(pixels).save(photos / kind / f"{number:02}.png")
    (photos / SCRIPT.replace("/", "\N{DIVISION SLASH}")).mkdir()
    hostile = next(path for path in photos.iterdir() if "script" in path.name)
    Image.fromarray(photo(200)).save(hostile / NASTY)
    (hostile / "turned.jpg").write_bytes(jpeg(photo(201), 6, f"{SCRIPT}\x1b[31m"))
    Image.fromarray(photo(202, 2000, 1500)).save(hostile / "large.png")
    Image.fromarray(photo(203)).save(hostile / "gone.png")
    encoder = load_encoder(ENCODER)
    table = embed_to_table(encoder, open_source(photos), folder / "photos.parquet")
    build_index(table, folder / "photos.index")
    (hostile / "gone.png").unlink()
    return folder


@pytest.fixture
def folder(made: Path, tmp_path: Path) -> Path:
    """A copy of the index that a test may write into."""
    shutil.copytree(made / "photos.index", tmp_path / "photos.index")
    return tmp_path


Open = Callable[..., Page]


@pytest.fixture
def page(folder: Path) -> Page:
    """With every job done when it is asked for."""
    collection = open_collection(Index.open(folder / "photos.index"), encoder=ENCODER)
    files = folder / "curation.parquet", folder / "pairs.parquet"
    return Page.of(collection, *files, jobs=Jobs(at_once=True))


@pytest.fixture
def guarded(page: Page, files: dict[str, bytes]) -> Guarded:
    return application(page, PORT, TOKEN)


@pytest.fixture
def files(monkeypatch: pytest.MonkeyPatch) -> dict[str, bytes]:
    """Static files of the page's kinds."""
    known = {
        "index.html": b"<!doctype html><head><title>ilk</title></head>",
        "main.js": b"export {};",
    }
    monkeypatch.setattr("ilk.explore.app.static_files", lambda: known)
    return known


@pytest.fixture
def client(guarded: Guarded) -> TestClient:
    """As the page itself asks."""
    return TestClient(
        guarded, base_url=f"{ORIGIN}/{TOKEN}/", headers={"origin": ORIGIN},
        raise_server_exceptions=False, follow_redirects=False,
    )  # fmt: skip
