"""A page in one file, opened from the disk with the network off."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from ilk.explore import Page, open_collection
from ilk.explore.finding import where
from ilk.explore.jobs import Jobs
from ilk.explore.portable import export_page
from ilk.search import Index
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


def test_dates_are_chosen_and_shown_as_dates(browser: Any, folder: Path) -> None:
    file = folder / "photos.index" / "rows-00000.parquet"
    table = pq.read_table(file)
    hours = np.datetime64("2023-12-30T12", "s") + np.arange(42) * np.timedelta64(12, "h")
    pq.write_table(table.append_column("taken", [hours]), file)
    files = folder / "curation.parquet", folder / "pairs.parquet"
    collection = open_collection(Index.open(folder / "photos.index"))
    page = Page.of(collection, *files, jobs=Jobs(at_once=True))
    export_page(page, folder / "page.html", lambda done, of: None)
    alone = Seen(browser, offline=True).open((folder / "page.html").as_uri())
    facet = alone.page.locator("details.facet", has_text="taken")
    if facet.get_attribute("open") is None:
        facet.locator("summary").click()
    least, most = facet.get_by_label("Least taken").last, facet.get_by_label("Most taken").last
    assert (least.input_value(), most.input_value()) == ("2023-12-30", "2024-01-20")
    least.fill("2024-01-02")
    least.press("Enter")
    alone.until("37 of 42 shown")
    line = alone.page.locator("#where input")
    assert line.input_value() == "taken>=2024-01-02"
    assert where(page, line.input_value()).sum() == 37
    line.fill("taken<2024")
    line.press("Enter")
    alone.until("3 of 42 shown")
    assert facet.get_by_label("Most taken").last.input_value() == "2023-12-31"
    alone.page.get_by_label("Colour").select_option("taken")
    alone.wait("document.querySelector('.legend .ends')?.innerText.includes('2023-12-31')")
    assert "2024-01-19" in alone.page.locator(".legend .ends").inner_text()
    alone.close()
