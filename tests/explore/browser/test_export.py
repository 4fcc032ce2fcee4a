"""A page in one file, opened from the disk with the network off."""

from pathlib import Path
from typing import Any

from ilk.explore import Page
from ilk.explore.portable import export_page
from tests.explore.browser.seen import Seen
from tests.explore.conftest import NASTY


def test_it_reads_everything_and_asks_for_nothing(
    browser: Any, page: Page, tmp_path: Path
) -> None:
    export_page(page, tmp_path / "page.html", lambda done, of: None)
    alone = Seen(browser, offline=True).open((tmp_path / "page.html").as_uri())
    assert alone.chosen() == "42 images"
    line = alone.page.locator("#where input")
    line.fill("label=cat")
    line.press("Enter")
    alone.until("19 of 42 shown")
    line.fill("")
    line.press("Enter")
    alone.until("42 images")
    line.blur()
    alone.page.keyboard.press("t")
    assert NASTY in alone.page.locator("#images tbody").inner_text()
    loaded = "[...document.images].filter((one) => one.naturalWidth > 1).length"
    alone.page.keyboard.press("t")
    alone.wait(f"{loaded} > 3")
    assert all(url.startswith(("file:", "data:", "blob:")) for url in alone.asked)
    alone.close()
