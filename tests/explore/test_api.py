"""What the page reads, and what it writes."""

import io
import time
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image
from starlette.testclient import TestClient

from ilk.explore import Page, open_collection
from ilk.explore.app import application
from ilk.explore.images import webp
from ilk.explore.jobs import Jobs
from ilk.explore.neighbours import packed, unpacked
from ilk.search import Index, delete_from_index
from tests.explore.conftest import ORIGIN, PORT, TOKEN, photo

COUNT = 42


def rows_of(client: TestClient) -> list[dict[str, Any]]:
    return client.get("api/rows?rows=" + ",".join(map(str, range(COUNT)))).json()


def values(client: TestClient, path: str, kind: str) -> np.ndarray:
    answer = client.get(path)
    assert answer.status_code == 200, answer.text
    return np.frombuffer(answer.content, kind)


def row_of(client: TestClient, name: str) -> int:
    return next(row["row"] for row in rows_of(client) if row["key"].endswith(name))


def test_about_says_everything_but_the_rows(client: TestClient) -> None:
    about = client.get("api/about").json()
    assert (about["name"], about["count"], about["exported"]) == ("photos.index", COUNT, False)
    (one,) = about["maps"]
    assert one["rows"] == COUNT
    assert [known["name"] for known in one["projections"]][:2] == ["pca", "tsne"]
    assert {known["state"] for known in one["projections"]} == {"absent"}
    columns = {column["name"]: column for column in about["columns"]}
    assert columns["label"]["values"][:2] == ["cat", "dog"]
    assert columns["label"]["counts"][:2] == [19, 19]
    assert (columns["width"]["min"], columns["width"]["max"]) == (32.0, 2000.0)
    assert columns["width"]["whole"]
    assert about["pair"] is None
    assert about["decisions"] == "curation.parquet"


def test_modules_are_asked_for_at_once(client: TestClient) -> None:
    page = client.get("").text
    assert page.count("modulepreload") == 1
    assert '<link rel="modulepreload" href="main.js">\n</head>' in page


def test_columns_agree_with_the_rows(client: TestClient) -> None:
    about, rows = client.get("api/about").json(), rows_of(client)
    for number, column in enumerate(about["columns"]):
        if column["name"] == "label":
            codes = values(client, f"api/column/{number}", "<u2")
            known = [None if c == 65535 else column["values"][c] for c in codes]
            assert known == [row["label"] for row in rows]
        if column["name"] == "width":
            widths = values(client, f"api/column/{number}", "<f4")
            assert widths.tolist() == [row["width"] for row in rows]
    ids = values(client, "api/ids", "<f8")
    assert ids.tolist() == [row["id"] for row in rows] == list(range(COUNT))
    order = values(client, "api/order/key", "<u4")
    keys = [row["key"] for row in rows]
    assert [keys[row] for row in order] == sorted(keys)
    assert client.get("api/column/99").status_code == 409


def test_thumbnails_are_upright_and_kept(client: TestClient, folder: Path) -> None:
    row = row_of(client, "turned.jpg")
    answer = client.get(f"api/thumbnail/{row}")
    with Image.open(io.BytesIO(answer.content)) as small:
        assert small.size == (32, 48)  # EXIF orientation 6 turns 48 x 32
        turned = np.asarray(small.convert("RGB"), int)
    expected = np.rot90(photo(201), -1).astype(int)
    assert np.abs(turned - expected).mean() < 8
    kept = list((folder / "photos.index" / "derived").rglob("*.webp"))
    assert [file.read_bytes()[:-16] for file in kept] == [answer.content]
    large = client.get(f"api/thumbnail/{row_of(client, 'large.png')}")
    with Image.open(io.BytesIO(large.content)) as small:
        assert small.size == (128, 96)


def test_images_are_at_most_as_large_as_a_screen(client: TestClient) -> None:
    large = client.get(f"api/image/{row_of(client, 'large.png')}")
    assert large.headers["content-type"] == "image/jpeg"
    with Image.open(io.BytesIO(large.content)) as image:
        assert image.size == (1600, 1200)
    small = client.get(f"api/image/{row_of(client, 'cat/00.png')}")
    assert small.headers["content-type"] == "image/png"
    found = cv2.imdecode(np.frombuffer(small.content, np.uint8), cv2.IMREAD_COLOR)
    np.testing.assert_array_equal(found[..., ::-1], photo(0))


def test_thumbnails_that_came_with_an_index_are_not_believed(page: Page, folder: Path) -> None:
    made = page.images.thumbnail(20)
    (kept,) = (folder / "photos.index" / "derived").rglob("*.webp")
    own, other = kept.read_bytes(), webp(photo(7))
    # without a seal, and with that of another file
    for forged in (other, other + own[-16:], own[:-16], b""):
        kept.write_bytes(forged)
        page.images.thumbnail.cache_clear()
        assert page.images.thumbnail(20) == made
        assert kept.read_bytes() == own, "it is kept again"


def test_a_sheet_holds_thumbnails_in_their_squares(client: TestClient) -> None:
    rows = [row_of(client, "gone.png"), row_of(client, "cat/00.png"), *range(16)]
    answer = client.get("api/sheet?side=32&rows=" + ",".join(map(str, rows)))
    with Image.open(io.BytesIO(answer.content)) as sheet:
        assert sheet.size == (16 * 32, 2 * 32)
        pixels = np.asarray(sheet.convert("RGBA"))
    assert not pixels[:32, :32, 3].any()  # what cannot be read stays empty
    assert (pixels[16, 32:64, 3] == 255).all()
    first = cv2.resize(photo(0), (32, 21), interpolation=cv2.INTER_AREA).astype(int)
    assert np.abs(pixels[5:26, 32:64, :3] - first).mean() < 20
    assert client.get("api/sheet?rows=1,x").status_code == 422


def test_a_damaged_thumbnail_is_made_again_and_what_is_gone_leaves_its_square_empty(
    client: TestClient, page: Page, folder: Path
) -> None:
    row = row_of(client, "cat/00.png")
    client.get(f"api/thumbnail/{row}")
    (kept,) = (folder / "photos.index" / "derived").rglob("*.webp")
    kept.write_bytes(kept.read_bytes()[:30])
    page.images.thumbnail.cache_clear()
    answer = client.get(f"api/sheet?side=32&rows={row},{row_of(client, 'gone.png')}")
    assert answer.status_code == 200
    with Image.open(io.BytesIO(answer.content)) as sheet:
        pixels = np.asarray(sheet.convert("RGBA"))
    assert (pixels[16, 16, 3], pixels[16, 48, 3]) == (255, 0)


def test_too_many_rows_are_refused(client: TestClient) -> None:
    assert client.get("api/rows?rows=" + ",".join("1" * 201)).status_code == 422


def test_neighbours_say_why_and_how_they_see_it(client: TestClient) -> None:
    first, last = row_of(client, "cat/00.png"), row_of(client, "cat/18.png")
    found = client.get(f"api/neighbours/0/{first}?k=5").json()
    assert found[0] == {
        "row": last, "similarity": pytest.approx(1.0, abs=2e-3), "rank_back": 1,
        "reason": "same file", "pair": None,
    }  # fmt: skip
    assert len(found) == 5
    assert first not in [near["row"] for near in found]
    assert found[1]["reason"] == "embedding"
    for near in found:
        theirs = client.get(f"api/neighbours/0/{near['row']}?k=41").json()
        rank = [other["row"] for other in theirs].index(first) + 1
        assert near["rank_back"] == rank


def test_all_neighbours_equal_those_of_one(client: TestClient, page: Page) -> None:
    graph = page.maps.graph(0)
    vectors = np.asarray(page.collection.spaces[0].vectors[:], np.float64)
    for row in (0, 7, 41):
        one = client.get(f"api/neighbours/0/{row}?k=20").json()
        truth = vectors @ vectors[row]
        nearest = np.sort(np.delete(truth, row))[::-1][:20]
        for found in (graph.rows[row], [near["row"] for near in one]):
            assert len({row, *found}) == 21
            # of nearly equal ones any may be first: by rounding one query is not as many are
            np.testing.assert_allclose(truth[found], nearest, atol=1e-6)
    typical = next(c for c in client.get("api/about").json()["columns"] if c["derived"])
    assert typical["name"] == "typicality"
    number = [c["name"] for c in client.get("api/about").json()["columns"]].index("typicality")
    means = values(client, f"api/column/{number}", "<f4")
    np.testing.assert_allclose(means, graph.cosines[:, :10].mean(1), rtol=2e-3)


def test_similar_is_the_cosine_to_the_mean(client: TestClient, page: Page) -> None:
    mask = np.zeros(COUNT, bool)
    mask[[3, 9]] = True
    answer = client.post("api/similar", content=packed(mask))
    found = np.frombuffer(answer.content, "<f4")
    vectors = np.asarray(page.collection.spaces[0].vectors[:], np.float64)
    centre = vectors[[3, 9]].sum(0)
    np.testing.assert_allclose(found, vectors @ centre / np.linalg.norm(centre), atol=1e-5)


def test_grow_adds_the_nearest_of_each(client: TestClient) -> None:
    mask = np.zeros(COUNT, bool)
    mask[[3, 30]] = True
    grown = unpacked(client.post("api/grow?n=2", content=packed(mask)).content, COUNT)
    near = [client.get(f"api/neighbours/0/{row}?k=2").json() for row in (3, 30)]
    expected = {3, 30} | {entry["row"] for some in near for entry in some}
    assert set(np.flatnonzero(grown).tolist()) == expected


def test_a_map_is_made_once_and_kept(client: TestClient, folder: Path) -> None:
    points = values(client, "api/points/0/pca", "<f4").reshape(COUNT, 2)
    assert np.isfinite(points).all()
    assert np.abs(points).max() == pytest.approx(1.0)
    (one,) = client.get("api/about").json()["maps"]
    pca = one["projections"][0]
    assert (pca["state"], pca["points"]) == ("ready", COUNT)
    assert "variance" in pca["words"]
    assert pca["trustworthiness"], client.get("api/jobs").text
    assert 0 < pca["trustworthiness"]["value"] <= 1
    again = open_collection(Index.open(folder / "photos.index"))
    other = Page.of(again, folder / "c.parquet", folder / "p.parquet", jobs=Jobs(at_once=True))
    kept = folder / "photos.index" / "derived" / "page"
    before = {path: path.stat().st_mtime_ns for path in kept.rglob("*.npz")}
    assert len(before) == 2
    np.testing.assert_array_equal(other.maps.points(0, "pca").points, points)
    assert before == {path: path.stat().st_mtime_ns for path in kept.rglob("*.npz")}
    assert client.get("api/points/0/umap2").status_code == 409
    assert client.get("api/points/1/pca").status_code == 409


def test_another_state_of_the_index_is_another_map(page: Page, folder: Path) -> None:
    page.maps.points(0, "pca")
    delete_from_index(folder / "photos.index", ["cat/00.png"])
    again = open_collection(Index.open(folder / "photos.index"))
    other = Page.of(again, folder / "c.parquet", folder / "p.parquet", jobs=Jobs(at_once=True))
    assert len(other.maps.points(0, "pca").points) == COUNT - 1


def test_a_selection_is_exported(client: TestClient, page: Page) -> None:
    mask = np.zeros(COUNT, bool)
    mask[[3, 9]] = True
    keys = [rows_of(client)[row]["key"] for row in (3, 9)]
    listed = client.post("api/export/list", content=packed(mask))
    assert listed.text.splitlines() == keys
    assert listed.headers["content-disposition"] == 'attachment; filename="selection.txt"'
    table = pq.read_table(
        io.BytesIO(client.post("api/export/parquet", content=packed(mask)).content)
    )
    assert table["key"].to_pylist() == keys
    assert table["id"].to_pylist() == [3, 9]
    vectors = np.stack(table["vector"].to_pylist())
    np.testing.assert_array_equal(vectors, page.collection.spaces[0].vectors[[3, 9]])
    assert client.post("api/export/exe", content=packed(mask)).status_code == 404


def test_an_uploaded_image_finds_itself(client: TestClient, made: Path) -> None:
    answer = client.post("api/search?k=3", content=(made / "photos/dog/05.png").read_bytes())
    assert answer.status_code == 200, answer.text
    assert rows_of(client)[answer.json()["rows"][0]]["key"] == "dog/05.png"
    assert answer.json()["similarities"][0] == pytest.approx(1.0, abs=2e-3)
    for bad in (b"", b"<svg onload=alert(1)>", b"\x89PNG\r\n"):
        refused = client.post("api/search", content=bad)
        assert refused.status_code == 409
        assert "image" in refused.json()["error"]


def test_a_slow_answer_comes_later(folder: Path, files: dict[str, bytes]) -> None:
    collection = open_collection(Index.open(folder / "photos.index"))
    page = Page.of(collection, folder / "c.parquet", folder / "p.parquet")
    app = application(page, PORT, TOKEN)
    client = TestClient(app, base_url=f"{ORIGIN}/{TOKEN}/", headers={"origin": ORIGIN})
    answer = client.post("api/points/0/pca")
    assert (answer.status_code, answer.json()) == (202, {"job": "pca:0"})
    for _ in range(200):
        jobs = client.get("api/jobs").json()
        states = {job["job"]: job["state"] for job in jobs["jobs"]}
        if states == {"pca:0": "done", "pca-trust:0": "done"}:
            break
        time.sleep(0.05)
    assert jobs["revision"] == 2
    assert len(values(client, "api/points/0/pca", "<f4")) == 2 * COUNT


def test_large_whole_numbers_and_dates_are_shown_exactly(folder: Path) -> None:
    file = folder / "photos.index" / "rows-00000.parquet"
    table, count = pq.read_table(file), COUNT
    for name, first in (("photo_id", 123_456_789), ("huge", 2**60 + 1)):
        table = table.append_column(name, [np.arange(first, first + count)])
    table = table.append_column("taken", [np.arange(COUNT).astype("datetime64[D]")])
    pq.write_table(table, file)
    collection = open_collection(Index.open(folder / "photos.index"))
    page = Page.of(collection, folder / "c.parquet", folder / "p.parquet")
    (row,) = page.rows([1])
    assert row["facts"]["photo_id"] == 123_456_790
    assert row["facts"]["huge"] == str(2**60 + 2)
    assert row["facts"]["taken"] == "1970-01-02"
