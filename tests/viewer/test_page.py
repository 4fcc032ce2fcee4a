import base64
import itertools
import re
from dataclasses import replace

import cv2
import numpy as np
import pytest

from ilk.core import UserError
from ilk.viewer import Chapter, Grid, Matrix, Report, page, write_report
from tests.viewer.conftest import EVIL, picture
from tests.viewer.reading import kind, text, tree


def test_it_is_whole_html_and_says_everything(report):
    root = tree(page(report))
    assert [child.tag for child in root] == ["html"]
    shown = text(root.find("html/body"))
    for said in (report.title, report.verdict, "70.0", "80.0", "68.0 to 73.0", "cat", "dog"):
        assert said in shown
    assert text(root.find("html/head/title")) == report.title


def test_nothing_outside_is_named_and_nothing_runs(report):
    written = page(report)
    root = tree(written)
    assert not list(root.iter("script"))
    addresses = [
        e.get(name) for e in root.iter() for name in ("src", "href", "srcset") if e.get(name)
    ]
    assert addresses
    assert all(address.startswith("data:") for address in addresses)
    style = text(root.find("html/head/style"))
    assert "url(" not in style
    assert "@import" not in style
    assert not [name for e in root.iter() for name in e.keys() if name.startswith("on")]  # noqa: SIM118


def test_text_is_escaped_wherever_it_stands(report):
    root = tree(page(report))
    assert not list(root.iter("script"))
    told = [text(e) for e in root.iter() if not len(e)] + [
        e.get("aria-label", "") for e in root.iter()
    ]
    assert sum(EVIL in entry for entry in told) >= 9


def test_every_picture_has_its_words_and_its_pixels(report):
    root = tree(page(report))
    images = list(root.iter("img"))
    assert len(images) == 3 + 4
    assert all(image.get("alt") for image in images)
    stored = _pixels(images[0].get("src"))
    np.testing.assert_array_equal(stored[..., ::-1], picture("any").pixels)


def _pixels(address: str) -> np.ndarray:
    head, coded = address.split(",")
    assert head == "data:image/png;base64"
    return cv2.imdecode(np.frombuffer(base64.b64decode(coded), np.uint8), cv2.IMREAD_UNCHANGED)


def test_a_mixture_says_what_it_is_made_of(report):
    root = tree(page(report))
    (bar,) = kind(root, "div", "shares")
    assert [part.get("style") for part in bar] == ["flex-grow:0.6250", "flex-grow:0.3750"]
    (made,) = kind(root, "span", "made")
    assert text(made).replace("\N{NO-BREAK SPACE}", " ") == "0.62 of 1 + 0.38 of 4"


def test_neighbours_are_marked_in_words_too(report):
    root = tree(page(report))
    assert [text(e.find("figcaption")) for e in kind(root, "figure", "mate")] == ["cat"]
    assert [text(e.find("figcaption")) for e in kind(root, "figure", "stranger")] == ["dog"]
    signs = [
        e.get("aria-label") for e in kind(root, "svg", "tick") + kind(root, "svg", "cross")
    ]
    assert signs == ["same label", "another label"]


def test_tables_have_heads(report):
    root = tree(page(report))
    (table,) = kind(root, "table", "results")
    assert [th.get("scope") for th in table.iter("th")] == ["col"] * 3 + ["row"] * 2
    assert text(table.find("caption"))
    assert [e.tag for e in kind(table, "tr", "ours")] == ["tr"]


def test_tables_scroll_inside_themselves_by_mouse_and_keyboard(report):
    grid = Grid(caption="a grid", heads=("a", "b"), rows=(("one", "two"),))
    matrix = Matrix(caption="a matrix", names=("a", "b"), counts=((1, 2), (3, 4)))
    chapter = Chapter(title="t", lead="l", grids=(grid,), matrices=(matrix,))
    root = tree(page(replace(report, chapters=(chapter,))))
    regions = kind(root, "div", "wide")
    assert [region.get("aria-label") for region in regions][1:] == ["a grid", "a matrix"]
    assert all(
        region.get("tabindex") == "0" and region.get("role") == "region" for region in regions
    )
    held = [table for region in regions for table in region.iter("table")]
    folded = kind(root, "table", "facts")
    assert len(held) + len(folded) == len(list(root.iter("table")))


def test_columns_of_sentences_get_room_and_columns_of_numbers_none(report):
    sentence = "worse by 3.2 points, interval 1.0 to 5.4"
    grid = Grid(
        caption="c", heads=("a", "b", "c"), rows=(("x", "1", sentence), ("y", "2", "-"))
    )
    chapter = Chapter(title="t", lead="l", grids=(grid,))
    root = tree(page(replace(report, results=None, chapters=(chapter,))))
    assert [text(cell) for cell in kind(root, "td", "words")] == [sentence, "-"]
    assert [text(cell) for cell in kind(root, "th", "words")] == ["c"]


def test_the_page_has_a_language_and_one_first_heading(report):
    root = tree(page(report))
    assert root.find("html").get("lang") == "en"
    assert len(list(root.iter("h1"))) == 1
    drawn = [svg for svg in root.iter("svg") if svg.get("aria-hidden") != "true"]
    assert all(svg.get("role") == "img" and svg.get("aria-label") for svg in drawn)


def test_what_is_empty_is_left_out():
    root = tree(page(Report(title="only a title", verdict="and a verdict")))
    assert not list(root.iter("section"))
    assert not list(root.iter("svg"))


def test_headings_go_down_step_by_step(report):
    levels = [int(e.tag[1]) for e in tree(page(report)).iter() if re.fullmatch(r"h\d", e.tag)]
    assert levels[0] == 1
    assert all(after - before <= 1 for before, after in itertools.pairwise(levels))


@pytest.mark.parametrize("channels", [1, 2, 3, 5])
def test_any_number_of_channels_is_shown(report, channels):
    pixels = np.full((400, 200, channels), 7, np.uint8)
    odd = replace(picture("odd"), pixels=pixels)
    look = replace(report.looks[0], image=odd)
    image = next(tree(page(replace(report, looks=(look,)))).iter("img"))
    stored = _pixels(image.get("src"))
    assert stored.shape[:2] == (160, 80)
    assert (stored == 7).all()


def test_it_is_written_whole_or_not_at_all(report, tmp_path):
    path = write_report(tmp_path / "deep" / "report.html", report)
    assert path.read_text("ascii") == page(report)
    assert [entry.name for entry in path.parent.iterdir()] == ["report.html"]
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="must be writable"):
        write_report(tmp_path / "file" / "report.html", report)


def _luminance(colour: str) -> float:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def _contrast(one: str, other: str) -> float:
    low, high = sorted((_luminance(one), _luminance(other)))
    return (high + 0.05) / (low + 0.05)


SERIES = ("accent", "rust", "violet", "umber")


def _themes(report: Report) -> list[dict[str, str]]:
    style = text(tree(page(report)).find("html/head/style"))
    themes = re.findall(r":root \{(.*?)\}", style, re.DOTALL)
    assert len(themes) == 2
    return [dict(re.findall(r"--(\w+): (#[0-9a-f]{6}|\d+%)", theme)) for theme in themes]


def test_text_stands_out_in_light_and_dark(report):
    """WCAG 2.1, 1.4.3: a contrast of 4.5 at least."""
    for colours in _themes(report):
        for name in ("ink", "soft", *SERIES):
            assert _contrast(colours[name], colours["paper"]) >= 4.5, name


def test_counts_stand_out_from_the_darkest_cell(report):
    for colours in _themes(report):
        share = int(colours["deepest"].removesuffix("%")) / 100
        pairs = zip(_bytes(colours["accent"]), _bytes(colours["paper"]), strict=True)
        mixed = [round(share * one + (1 - share) * other) for one, other in pairs]
        assert _contrast(colours["ink"], "#" + bytes(mixed).hex()) >= 4.5


def _bytes(colour: str) -> bytes:
    return bytes.fromhex(colour.removeprefix("#"))


# Machado et al., IEEE TVCG 2009, severity 1.
SEEN = {
    "all cones": np.eye(3),
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216],
                   [-0.003882, -0.048116, 1.051998]],
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413],
                     [-0.011820, 0.042940, 0.968881]],
    "tritanopia": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602],
                   [0.004733, 0.691367, 0.303900]],
}  # fmt: skip


@pytest.mark.parametrize("eye", SEEN)
def test_curves_are_told_apart_by_every_eye(report, eye):
    for colours in _themes(report):
        seen = [_lab(colours[name], np.array(SEEN[eye])) for name in SERIES]
        apart = [np.linalg.norm(a - b) for a, b in itertools.combinations(seen, 2)]
        assert min(apart) >= 20  # CIE 1976; 2.3 can just be seen


def _lab(colour: str, cones: np.ndarray) -> np.ndarray:
    shares = np.frombuffer(_bytes(colour), np.uint8) / 255
    linear = np.where(shares <= 0.04045, shares / 12.92, ((shares + 0.055) / 1.055) ** 2.4)
    to_xyz = [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]
    xyz = np.array(to_xyz) @ np.clip(cones @ linear, 0, 1) / (0.95047, 1, 1.08883)
    x, y, z = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])
