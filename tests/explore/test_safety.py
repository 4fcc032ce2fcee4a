"""Nothing but the page itself reaches the images."""

from pathlib import Path

import numpy as np
import pytest
from starlette.testclient import TestClient

from ilk.explore import Jobs, Page, open_collection
from ilk.explore.copies import copies
from ilk.explore.safety import POLICY, Guarded
from ilk.search import Index
from tests.explore.conftest import NASTY, ORIGIN, PORT, SCRIPT, TOKEN


def asked(app: Guarded, path: str, host: str = f"127.0.0.1:{PORT}", **headers: str) -> int:
    client = TestClient(app, base_url=f"http://{host}", follow_redirects=False)
    return client.get(path, headers=headers).status_code


def test_without_the_secret_there_is_nothing(guarded: Guarded) -> None:
    for path in ("/", "/api/about", "/main.js", f"/{TOKEN[:-1]}/", f"/{TOKEN}x/api/about"):
        assert asked(guarded, path) == 403, path
    assert asked(guarded, f"/{TOKEN}/api/about") == 200
    assert asked(guarded, f"/{TOKEN}") == 303


@pytest.mark.parametrize(
    "host",
    ["evil.example", f"evil.example:{PORT}", "127.0.0.1", "127.0.0.1:80", "0.0.0.0:8731"],
)
def test_a_name_turned_to_this_machine_is_refused(guarded: Guarded, host: str) -> None:
    assert asked(guarded, f"/{TOKEN}/api/about", host) == 403


def test_localhost_is_this_machine(guarded: Guarded) -> None:
    assert asked(guarded, f"/{TOKEN}/api/about", f"localhost:{PORT}") == 200


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://127.0.0.1:9999"])
def test_another_origin_is_refused(guarded: Guarded, origin: str) -> None:
    assert asked(guarded, f"/{TOKEN}/api/about", origin=origin) == 403


def test_what_writes_needs_our_origin(client: TestClient, guarded: Guarded) -> None:
    bare = TestClient(guarded, base_url=f"{ORIGIN}/{TOKEN}/")
    assert bare.post("api/decisions", content=b"[]").status_code == 403
    assert client.post("api/decisions", content=b"[]").status_code == 200
    assert client.put("api/decisions", content=b"[]").status_code == 403
    assert client.options("api/decisions").status_code == 403


def test_every_answer_says_what_a_browser_may_do(client: TestClient) -> None:
    for path in (
        "",
        "main.js",
        "api/about",
        "api/thumbnail/0",
        "api/nothing",
        "api/rows?rows=x",
    ):
        answer = client.get(path)
        assert answer.headers["content-security-policy"] == POLICY, path
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert "access-control-allow-origin" not in answer.headers
        assert "server" not in answer.headers
    assert "unsafe" not in POLICY
    assert "http" not in POLICY


def test_the_door_opens_once(guarded: Guarded) -> None:
    door = guarded.door
    assert TOKEN not in door
    assert asked(guarded, door + "x") == 403
    assert asked(guarded, door) == 303
    assert asked(guarded, door) == 403
    assert asked(guarded, "/open/") == 403


@pytest.mark.parametrize(
    "path",
    ["../../../etc/passwd", "..%2f..%2fetc%2fpasswd", "api/thumbnail/..%2f..%2fx",
     "%2e%2e/index.html", "page.py", "index.html%00.js", "static/index.html"],
)  # fmt: skip
def test_no_path_leads_to_a_disk(client: TestClient, path: str) -> None:
    answer = client.get(f"{ORIGIN}/{TOKEN}/{path}")
    assert answer.status_code in {403, 404, 422}
    assert b"root:" not in answer.content


def test_images_are_what_was_encoded_here(client: TestClient) -> None:
    rows = client.get("api/rows?rows=" + ",".join(map(str, range(42)))).json()
    by_name = {row["key"].rpartition("/")[2]: row["row"] for row in rows}
    small = client.get(f"api/thumbnail/{by_name['turned.jpg']}")
    assert small.headers["content-type"] == "image/webp"
    assert small.content[:4] == b"RIFF"
    assert b"script" not in small.content
    whole = client.get(f"api/image/{by_name['turned.jpg']}")
    assert b"script" not in whole.content
    assert b"Exif" not in whole.content
    gone = client.get(f"api/image/{by_name['gone.png']}")
    assert gone.status_code == 404
    assert "gone" in gone.json()["error"] + "vanished gone"
    assert client.get("api/image/42").status_code == 404
    assert client.get("api/image/-1").status_code == 404


def test_text_from_images_is_text_in_json(client: TestClient) -> None:
    rows = client.get("api/rows?rows=" + ",".join(map(str, range(42)))).json()
    nasty = next(row for row in rows if row["key"].endswith(NASTY))
    assert nasty["key"].startswith("<script>")
    turned = next(row for row in rows if row["key"].endswith("turned.jpg"))
    answer = client.get(f"api/exif/{turned['row']}")
    assert answer.headers["content-type"] == "application/json"
    facts = dict(answer.json())
    assert facts["Model"] == f"{SCRIPT}\\x1b[31m"  # the escape code is text too


def test_what_is_too_large_is_refused(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ilk.explore.posts.UPLOAD", 1000)
    assert client.post("api/search", content=bytes(1001)).status_code == 413
    assert client.post("api/where", content=b"x" * 50_000).status_code == 413
    assert client.post("api/similar", content=bytes(7)).status_code == 413
    assert client.post("api/similar", content=bytes(5)).status_code == 422


def test_links_in_an_index_lead_nothing_elsewhere(folder: Path, made: Path) -> None:
    index, target = folder / "photos.index", folder / "elsewhere"
    target.mkdir()
    (index / "derived").mkdir()
    (index / "derived" / "page").symlink_to(target)
    files = folder / "curation.parquet", folder / "pairs.parquet"

    def look() -> None:
        collection = open_collection(Index.open(index))
        page = Page.of(collection, *files, jobs=Jobs(at_once=True))
        page.maps.points(0, "pca")
        assert page.images.thumbnail(20)[:4] == b"RIFF"
        assert list(target.iterdir()) == []

    look()
    (index / "derived" / "page").unlink()
    (index / "derived" / "page").mkdir()
    (index / "derived" / "page" / "thumbnails").symlink_to(target)
    look()
    (index / "derived" / "page" / "thumbnails").unlink()
    look()
    (small,) = (index / "derived" / "page" / "thumbnails").rglob("*.webp")
    small.unlink()
    small.symlink_to("/dev/zero")
    look()


def test_a_link_in_an_index_is_not_swept_by_its_page(folder: Path, page: Page) -> None:
    target = folder / "elsewhere"
    target.mkdir()
    np.save(target / "precious.npy", np.arange(3))
    (folder / "photos.index" / "derived").mkdir(exist_ok=True)
    (folder / "photos.index" / "derived" / "appearances").symlink_to(target)
    copies(page)
    assert [file.name for file in target.iterdir()] == ["precious.npy"]
