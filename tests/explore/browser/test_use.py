"""The page, used as a person would: choice, filters, search, duplicates, two encoders, keys."""

import base64
import io
from typing import Any

import pyarrow.parquet as pq
from PIL import Image

from tests.explore.browser.seen import RIGHT, WHOLE, Seen
from tests.explore.conftest import NASTY, photo


def test_a_lasso_chooses_and_the_grid_and_the_address_follow(seen, served):
    page = seen.page
    assert seen.chosen() == "42 images"
    page.keyboard.press("l")
    seen.drag(*WHOLE)
    seen.until("42 of 42 chosen")
    page.keyboard.down("Alt")
    seen.drag(*RIGHT)
    page.keyboard.up("Alt")
    seen.wait("!document.querySelector('.chosen').innerText.startsWith('42')")
    left = int(seen.chosen().split()[0])
    page.keyboard.press("v")
    seen.until(f"{42 - left} of 42 chosen")
    page.keyboard.press("Escape")
    seen.until("42 images")
    page.keyboard.down("Shift")
    seen.drag(*RIGHT)
    page.keyboard.up("Shift")
    seen.until(f"{42 - left} of 42 chosen")
    seen.wait(f"document.querySelectorAll('#tiles .tile').length === {42 - left}")


def test_a_rectangle_is_kept_in_the_address(seen):
    page = seen.page
    page.keyboard.press("r")
    seen.drag((0.98, 0.98), (0.5, 0.0))
    seen.wait("document.querySelector('#images .chosen').innerText.includes('chosen')")
    left = seen.chosen()
    seen.wait("location.hash.includes('chosen=')")
    address, many = page.url, int(left.split()[0])
    assert left == f"{many} of 42 chosen"
    assert 0 < many < 42
    page.goto("about:blank")
    seen.open(address)
    seen.until(left)
    seen.wait(f"document.querySelectorAll('#tiles .tile').length === {many}")
    assert page.url == address
    page.keyboard.press("Escape")
    seen.until("42 images")
    seen.wait("!location.hash.includes('chosen=')")
    assert "chosen=" not in page.url


def test_a_filter_is_facet_text_and_address_at_once(seen):
    page = seen.page
    page.get_by_label("cat", exact=False).first.check()
    seen.until("19 of 42 shown")
    line = page.locator("#where input")
    assert line.input_value() == "label=cat"
    seen.wait("location.hash.includes('where=label%3Dcat')")
    page.locator("#facet-key").fill("*/0?.png")
    page.locator("#facet-key").press("Enter")
    seen.until("10 of 42 shown")
    assert line.input_value() == "label=cat and key~*/0?.png"
    line.fill('not label=cat and width is missing or label="cat"')
    line.press("Enter")
    seen.until("19 of 42 shown")
    line.fill("width>")
    line.press("Enter")
    page.wait_for_selector("#where .fault:not([hidden])")
    assert "value" in page.locator("#where .fault").inner_text()
    assert seen.chosen() == "19 of 42 shown"  # what is wrong changes nothing
    page.keyboard.press("Escape")
    line.fill("key~nothing")
    line.press("Enter")
    page.wait_for_selector("#images .empty:not([hidden])")
    assert "No image passes the filter" in page.locator("#images .empty").inner_text()
    page.get_by_role("button", name="Show all again").click()
    seen.until("42 images")


def test_the_legend_chooses_and_isolates(seen):
    page = seen.page
    cat = page.locator(".legend button", has_text="cat")
    cat.click()
    seen.until("19 of 42 chosen")
    cat.dblclick()
    seen.until("19 of 42 shown")
    assert page.locator("#where input").input_value() == "label=cat"


def test_hostile_names_labels_and_exif_stay_text(seen):
    page = seen.page
    page.locator("#where input").fill("key~*script*")
    page.locator("#where input").press("Enter")
    seen.until("4 of 42 shown")
    page.keyboard.press("Tab")
    page.locator("#tiles").focus()
    for _ in range(4):
        page.keyboard.press("ArrowRight")
        page.keyboard.press("Enter")
        page.wait_for_selector("#inspector .kin li")
    seen.wait("document.querySelector('#tiles .broken')")  # the file that is gone
    page.keyboard.press("t")
    page.wait_for_selector("#images tbody tr")
    assert NASTY in page.locator("#images tbody").inner_text()
    page.keyboard.press("Escape")
    assert page.locator("#inspector").is_hidden()
    made = "document.querySelectorAll('main script, main img[src=x], tbody b').length"
    assert seen.ask(made) == 0


def test_an_image_that_is_dropped_is_searched_for(browser, served):
    page = Seen(browser)
    page.page.route("**/api/about", _able)
    found = {"rows": [5, 9, 2], "similarities": [0.99, 0.5, 0.25], "words": ""}
    page.page.route("**/api/search?*", lambda route: route.fulfill(json=found))
    page.open(served[0])
    into = io.BytesIO()
    Image.fromarray(photo(3)).save(into, "png")
    drop = """(text) => {
      const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
      const transfer = new DataTransfer();
      transfer.items.add(new File([bytes], "query.png", { type: "image/png" }));
      for (const kind of ["dragover", "drop"]) document.dispatchEvent(
        new DragEvent(kind, { dataTransfer: transfer, bubbles: true, cancelable: true }));
    }"""
    page.ask(drop, base64.b64encode(into.getvalue()).decode())
    page.until("3 of 42 chosen")
    assert page.page.locator("#images .note-line").is_visible()
    page.wait("document.querySelectorAll('#tiles .score').length === 3")
    scores = page.page.locator("#tiles .score").all_inner_texts()
    assert scores == ["0.99", "0.50", "0.25"]
    page.page.get_by_role("button", name="Forget it").click()
    page.until("42 images")
    page.close()


def _able(route: Any) -> None:
    """As if the server could do what it needs an encoder or much time for."""
    about = route.fetch().json()
    route.fulfill(json=about | {"search": None, "duplicates": None, "clusters": "no"})


def _copies(seen: Seen, address: str) -> None:
    """Open the room of duplicates with three groups."""
    groups = [{"rows": rows, "keep": rows[-1], "reason": "hash", "similarity": 0.9}
              for rows in ([3, 5, 8], [20, 21], [30, 33])]  # fmt: skip
    seen.page.route("**/api/duplicates?*", lambda route: route.fulfill(
        json={"groups": groups, "words": "Hashes that differ in 4 of 64 bits."}))  # fmt: skip
    seen.open(address)
    seen.page.keyboard.press("d")
    seen.page.wait_for_selector(".member")


def test_a_group_whose_images_were_selected_is_open(browser, served):
    seen, words = Seen(browser), ("select", "keep", "drop")
    seen.page.route("**/api/about", _able)
    made = [(3, 0), (5, 0), (8, 0), (20, 1), (21, 2), (30, 2), (33, 0)]
    decisions = [{"row": row, "decision": words[word], "reason": "r", "by": "x"}
                 for row, word in made]  # fmt: skip
    seen.page.route("**/api/decisions", lambda route: route.fulfill(json=decisions))
    _copies(seen, served[0])
    assert seen.page.locator(".member.open").count() == 3
    done = "[...document.querySelectorAll('.groups button')].map((one) => one.className)"
    assert seen.ask(done) == ["", "done", ""]
    everything = seen.page.get_by_role("button", name="Apply the rule to all")
    assert everything.inner_text().endswith("2 open groups: keep 2, drop 2")
    seen.close()


def test_duplicates_are_decided_by_keys_and_taken_back(browser, served):
    seen, written = Seen(browser), served[1] / "curation.parquet"
    page = seen.page
    page.route("**/api/about", _able)
    _copies(seen, served[0])
    page.keyboard.press("x")
    page.wait_for_selector(".member.drop")
    page.keyboard.press("u")
    seen.wait("!document.querySelector('.member.drop')")
    assert pq.read_table(written).num_rows == 0
    page.keyboard.press("Enter")
    page.wait_for_selector(".groups .done")
    first = pq.read_table(written).to_pydict()
    assert sorted(first["decision"]) == ["drop", "drop", "keep"]
    assert set(first["reason"]) == {"duplicate"}
    everything = page.get_by_role("button", name="Apply the rule to all")
    assert everything.inner_text().endswith("2 open groups: keep 2, drop 2")
    everything.click()
    seen.wait("document.querySelector('.foot').innerText.includes('are decided')")
    assert pq.read_table(written)["decision"].to_pylist().count("keep") == 3
    page.keyboard.press("z")
    seen.wait("document.querySelectorAll('.groups .done').length === 1")
    page.keyboard.press("z")
    seen.wait("!document.querySelector('.groups .done')")
    assert pq.read_table(written).num_rows == 0
    seen.close()


def test_two_encoders_share_choice_and_hovering(seen, served):
    page = seen.page
    assert page.locator(".map .over").count() == 2
    page.keyboard.press("l")
    seen.drag(*WHOLE, map_at=0)
    seen.until("42 of 42 chosen")
    page.get_by_label("Colour").select_option("kept")
    seen.wait("document.querySelector('.legend').innerText.includes('kept')")
    assert page.locator(".legend").inner_text().count("1") >= 1  # the same vectors keep all
    page.get_by_label("Encoder").select_option("1")
    seen.wait("document.querySelectorAll('.map .over').length === 1")
    page.locator("#tiles").focus()
    page.keyboard.press("Home")
    page.keyboard.press("n")
    page.wait_for_selector("#inspector .kin li")
    page.locator("#inspector .marks button").first.click()
    page.wait_for_selector("#inspector .marks [aria-pressed=true]")
    pairs = pq.read_table(served[1] / "pairs.parquet")
    assert pairs["same"].to_pylist() == [True]
    page.locator("#inspector .marks [aria-pressed=true]").click()
    seen.wait("!document.querySelector('#inspector .marks [aria-pressed=true]')")


def test_a_narrow_window_has_one_column_and_the_help_all_keys(browser, served):
    narrow = Seen(browser, viewport={"width": 400, "height": 800}, color_scheme="dark")
    narrow.open(served[0])
    page = narrow.page
    wide = "document.documentElement.scrollWidth"
    shown = (
        "['maps', 'images', 'filters'].filter((id) => document.getElementById(id).offsetParent)"
    )
    for tab, part in (("Map", "maps"), ("Images", "images"), ("Filters", "filters")):
        page.locator("#tabs").get_by_role("button", name=tab).click()
        assert narrow.ask(wide) <= 400
        assert narrow.ask(shown) == [part]
    for room in ("d", "i", "m"):
        page.keyboard.press(room)
        assert narrow.ask(wide) <= 400
    page.keyboard.press("?")
    words = page.locator("dialog").inner_text()
    assert "lasso; shift adds" in words
    page.keyboard.press("Escape")
    assert not page.locator("dialog").is_visible()
    narrow.close()


def test_nothing_is_asked_of_another_place_and_a_lost_server_is_said(browser, served):
    page = Seen(browser).open(served[0])
    page.page.keyboard.press("i")
    page.page.wait_for_selector("#issues .list, #issues .empty")
    home = served[0]
    assert all(url.startswith((home, "data:", "blob:")) for url in page.asked)
    page.context.set_offline(True)
    page.page.route("**/*", lambda route: route.abort())
    page.page.keyboard.press("m")
    page.page.locator("#where input").fill("label=dog")
    page.page.locator("#where input").press("Enter")
    page.page.wait_for_selector("#where .fault:not([hidden])")
    assert "does not answer" in page.page.locator("#where .fault").inner_text()
    page.close()


def test_issues_that_no_image_has_are_named(browser, served):
    seen = Seen(browser)
    none = [{"kind": kind, "count": 0, "words": ""} for kind in ("dark", "gray")]
    seen.page.route("**/api/issues", lambda route: route.fulfill(json=none))
    seen.open(served[0])
    seen.page.keyboard.press("i")
    seen.wait("document.querySelector('#issues .empty')?.innerText.includes('No issue')")
    assert "looked at for dark, gray." in seen.page.locator("#issues .empty").inner_text()
    seen.close()
