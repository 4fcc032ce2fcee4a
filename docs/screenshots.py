"""Screenshots for the docs: ``python docs/screenshots.py ADDRESS`` or ``... PAGE.html``.

For docs/view.md the address is what ``ilk view`` prints; the page should have its map by then.
For docs/look.md it is a page of ``ilk look``.
"""

import io
import sys
from pathlib import Path
from typing import Any

from PIL import Image
from playwright.sync_api import sync_playwright

FOLDER = Path(__file__).parent / "images"
ARGUMENTS = ["--no-sandbox", "--use-gl=angle", "--use-angle=swiftshader",
             "--enable-unsafe-swiftshader"]  # fmt: skip
AROUND = ((0.28, 0.34), (0.5, 0.28), (0.72, 0.4), (0.66, 0.6), (0.4, 0.66))  # shares of the map


def map_and_choice(page: Any) -> None:
    """A lasso on the map, its images, and the drawer of one of them."""
    box = page.locator(".over").first.bounding_box()
    spots = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in AROUND]
    page.keyboard.press("l")
    page.mouse.move(*spots[0])
    page.mouse.down()
    for x, y in spots[1:]:
        page.mouse.move(x, y, steps=8)
    page.mouse.up()
    page.wait_for_timeout(1000)
    page.locator("#tiles .tile").nth(5).click()
    page.wait_for_selector("#inspector .kin li")


def issues(page: Any) -> None:
    """The first kind of issue that has images."""
    page.keyboard.press("Escape")
    page.keyboard.press("Escape")
    page.keyboard.press("i")
    page.wait_for_selector("#issue-tiles .tile", timeout=300_000)


def look(place: Path) -> None:
    """The top of a page of ``ilk look``."""
    with sync_playwright() as started:
        browser = started.chromium.launch(executable_path="/usr/bin/chromium", args=ARGUMENTS)
        page = browser.new_page(viewport={"width": 1040, "height": 1180})
        page.goto(place.resolve().as_uri())
        shot = Image.open(io.BytesIO(page.screenshot()))
        shot.save(FOLDER / "look.webp", quality=82, method=6)
        browser.close()


def main(address: str) -> None:
    """Write all images that the guide of ``ilk view`` shows."""
    with sync_playwright() as started:
        browser = started.chromium.launch(executable_path="/usr/bin/chromium", args=ARGUMENTS)
        page = browser.new_page(viewport={"width": 1280, "height": 800})
        page.goto(address)
        page.wait_for_selector("body[data-ready]")
        for name, show in (("view", map_and_choice), ("view-issues", issues)):
            show(page)
            page.wait_for_timeout(3000)  # until the images are there
            shot = Image.open(io.BytesIO(page.screenshot()))
            shot.save(FOLDER / f"{name}.webp", quality=82, method=6)
        browser.close()


if __name__ == "__main__":
    given = sys.argv[1]
    look(Path(given)) if given.endswith(".html") else main(given)
