"""A page in one file."""

import base64
import hashlib
import json
import re
from pathlib import Path

import numpy as np
import pytest

from ilk.core import UserError
from ilk.explore import Page
from ilk.explore.portable import export_page
from tests.explore.conftest import NASTY


@pytest.fixture
def html(page: Page, tmp_path: Path) -> str:
    steps: list[tuple[int, int]] = []
    export_page(page, tmp_path / "page.html", lambda done, of: steps.append((done, of)))
    assert steps[-1] == (42, 42)
    return (tmp_path / "page.html").read_text()


def embedded(html: str) -> dict:
    found = re.search(r'<script type="application/json" id="embedded">(.*?)</script>', html)
    assert found is not None
    return json.loads(found[1])


def test_everything_that_can_be_read_is_inside(html: str, page: Page) -> None:
    inside = embedded(html)
    assert inside["about"]["exported"]
    assert inside["about"]["count"] == len(inside["rows"]) == len(inside["thumbnails"]) == 42
    points = np.frombuffer(base64.b64decode(inside["points"][0]["tsne"]), "<f4")
    np.testing.assert_array_equal(points.reshape(42, 2), page.maps.points(0, "tsne").points)
    names = [column["name"] for column in inside["about"]["columns"]]
    assert "typicality" in names
    assert len(inside["columns"]) == len(names)
    near = inside["neighbours"][0]
    rows = np.frombuffer(base64.b64decode(near["rows"]), "<u4").reshape(42, near["k"])
    np.testing.assert_array_equal(rows, page.maps.graph(0).rows[:, : near["k"]])
    nasty = next(row for row in inside["rows"] if row["key"].endswith(NASTY))
    kept = inside["thumbnails"][nasty["row"]]
    assert base64.b64decode(kept.removeprefix("data:image/webp;base64,"))[:4] == b"RIFF"
    gone = next(row for row in inside["rows"] if row["key"].endswith("gone.png"))
    assert inside["thumbnails"][gone["row"]] == ""


def test_only_its_own_script_and_style_may_run(html: str) -> None:
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', html)
    assert policy is not None
    assert "unsafe" not in policy[1]
    assert policy[1].startswith("default-src 'none'")
    for tag, name in (('script type="module"', "script-src"), ("style", "style-src")):
        inner = re.search(rf"<{tag}>(.*?)</{tag.split()[0]}>", html, re.DOTALL)
        assert inner is not None
        digest = base64.b64encode(hashlib.sha256(inner[1].encode()).digest()).decode()
        assert f"{name} 'sha256-{digest}'" in policy[1]
    # A name with markup in it ends nothing: besides ours there is no element.
    assert html.count("<script") == html.count("</script>") == 2
    assert "<img src=x" not in html


def test_too_many_images_are_refused(
    page: Page, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ilk.explore.portable.MOST", 41)
    with pytest.raises(UserError, match="at most 41 images, got 42"):
        export_page(page, tmp_path / "page.html", lambda done, of: None)
    assert not (tmp_path / "page.html").exists()
