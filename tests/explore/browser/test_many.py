"""The page over a hundred thousand images, with WebGL and without."""

import io
import json
from typing import Any
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pytest
from PIL import Image

from tests.explore.browser.seen import Seen
from tests.explore.conftest import photo

MANY = 100_000


@pytest.mark.parametrize("flat", [False, True], ids=["webgl", "canvas"])
def test_a_hundred_thousand_points_are_drawn_and_chosen(browser, served, flat):
    many = Seen(browser)
    _many(many.page)
    many.open(served[0] + ("?draw=flat" if flat else ""))
    page = many.page
    assert many.chosen() == f"{MANY:,} images"
    named = page.locator(".map-name").inner_text()
    assert "PCA, 100,000 of 300,000 images, drawn at random" in named
    page.keyboard.press("l")
    many.drag((0.5, 0.98), (0.0, 0.98), (0.0, 0.0), (0.5, 0.0))
    many.wait("document.querySelector('.chosen').innerText.includes('chosen')")
    left = int(many.chosen().split()[0].replace(",", ""))
    assert 0.45 * MANY < left < 0.55 * MANY
    assert page.locator("#tiles .tile").count() < 200
    assert many.ask(PAINTED) > 0.2
    page.keyboard.press("Escape")
    many.wait(f"document.querySelector('#tiles-0')?.ariaLabel === '1 of {MANY}'")
    page.locator("#tiles").focus()
    page.keyboard.press("End")
    many.wait(f"document.querySelector('#tiles [aria-label^=\"{MANY} of\"]') !== null")
    many.close()


# Which share of the pixels is not clear. A wheel that stands still has the points drawn in the
# same frame, after which the buffer of WebGL may be empty.
PAINTED = """() => {
  const canvas = document.querySelector(".points");
  const copy = new OffscreenCanvas(200, 200);
  const context = copy.getContext("2d");
  document.querySelector(".over").dispatchEvent(new WheelEvent("wheel", { deltaY: 0 }));
  return new Promise((done) => requestAnimationFrame(() => {
    context.drawImage(canvas, 0, 0, 200, 200);
    const { data } = context.getImageData(0, 0, 200, 200);
    done(data.filter((value, at) => at % 4 === 3 && value > 0).length / 40000);
  }));
}"""


def _many(page: Any) -> None:
    """Answer as a server of many images would: points, one column, one thumbnail."""
    rng = np.random.default_rng(0)
    points = rng.uniform(-1, 1, (MANY, 2)).astype("<f4")
    codes = rng.integers(0, 12, MANY).astype("<u2")
    values = [f"kind {code}" for code in range(12)]
    counts = np.bincount(codes, minlength=12).tolist()
    about = {
        "name": "many", "count": MANY, "exported": False, "roots": [], "where_command": "",
        "maps": [{"name": "many", "encoder": "none", "dim": 2, "rows": 3 * MANY,
                  "projections": [
            {"name": "pca", "title": "PCA", "state": "ready", "words": "", "points": MANY,
             "trustworthiness": None}]}],
        "columns": [{"name": "label", "kind": "category", "values": values, "counts": counts,
                     "missing": 0, "derived": False}],
        "pair": None, "search": "no", "images": None, "write": "no", "duplicates": "no",
        "issues": "no", "clusters": "no", "decisions": "", "pairs": "",
    }  # fmt: skip
    into = io.BytesIO()
    Image.fromarray(photo(1)).save(into, "png")
    answers = {
        "about": json.dumps(about), "jobs": json.dumps({"revision": 0, "jobs": []}),
        "decisions": "[]", "ids": np.arange(MANY, dtype="<f8").tobytes(),
        "points/0/pca": points.tobytes(), "column/0": codes.tobytes(),
        "order/key": np.arange(MANY, dtype="<u4").tobytes(),
    }  # fmt: skip

    def answer(route: Any) -> None:
        name = urlsplit(route.request.url).path.partition("/api/")[2]
        if name.startswith(("thumbnail", "image")):
            route.fulfill(body=into.getvalue(), content_type="image/png")
        elif name in answers:
            route.fulfill(body=answers[name])
        else:
            rows = parse_qs(urlsplit(route.request.url).query).get("rows", [""])[0].split(",")
            route.fulfill(json=[{"row": int(row), "id": int(row), "key": row, "label": None,
                                 "width": 1, "height": 1, "facts": {}, "issues": [],
                                 "decision": None} for row in rows])  # fmt: skip

    page.route("**/api/**", answer)
