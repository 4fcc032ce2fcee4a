"""The page of a collection as one file that needs no server and loads nothing."""

import base64
import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np

from ilk.core import UserError, check_writable, write_whole
from ilk.data import BadItem, default_workers
from ilk.explore import copies, finding, grouping
from ilk.explore.bundle import bundled, static_files
from ilk.explore.images import THUMBNAIL
from ilk.explore.issues import issues
from ilk.explore.neighbours import Graph
from ilk.explore.page import Page

MOST = 20_000  # images
NEAREST = 12  # neighbours of each
SIDES = ((2000, THUMBNAIL), (8000, 96), (MOST, 64))  # pixels of a thumbnail, by images
STYLE = '<link rel="stylesheet" href="page.css">'
SCRIPT = '<script type="module" src="main.js"></script>'
HEAD = '<meta charset="utf-8">'
READS_ONLY = "An exported page writes nothing; open the index with ilk view."
NO_SEARCH = "An exported page has no encoder; open the index with ilk view."


def export_page(page: Page, path: Path, tell: Callable[[int, int], None]) -> None:
    """Write a page with everything in it that can be read.

    Args:
        page: whose jobs are done when they are asked for.
        path: where the file is written.
        tell: is given the thumbnails made and their number.

    Raises:
        UserError: there are too many images, or the file cannot be written.
    """
    if len(page) > MOST:
        raise UserError(
            f"export: must be of at most {MOST:,} images, got {len(page):,}; index fewer, "
            "such as those that ilk select chooses, or open the page itself"
        )
    check_writable(path, "export")
    files = {name: data.decode() for name, data in static_files().items()}
    write_whole(path, one_file(files, _content(page, tell)), "export")


def one_file(files: dict[str, str], content: Any) -> str:
    """The page with style, script and content inside, and a policy that allows no others.

    Args:
        files: the static files by name.
        content: what the script reads in the place of a server.
    """
    html = files["index.html"]
    for part in (STYLE, SCRIPT, HEAD):
        if html.count(part) != 1:
            raise UserError(f"export: index.html must hold {part} once")
    style, script = files["page.css"], bundled(files, "main.js")
    policy = (
        f"default-src 'none'; script-src '{_digest(script)}'; style-src '{_digest(style)}'; "
        "img-src data: blob:; base-uri 'none'; form-action 'none'"
    )
    allowed = f'{HEAD}\n<meta http-equiv="Content-Security-Policy" content="{policy}">'
    # No text may end the element that it stands in.
    inside = json.dumps(content, ensure_ascii=True, allow_nan=False).replace("<", "\\u003c")
    data = f'<script type="application/json" id="embedded">{inside}</script>'
    html = html.replace(HEAD, allowed).replace(STYLE, f"<style>{style}</style>")
    before, _, after = html.partition(SCRIPT)
    return f'{before}{data}\n<script type="module">{script}</script>{after}'


def _content(page: Page, tell: Callable[[int, int], None]) -> dict[str, Any]:
    spaces = range(len(page.collection.spaces))
    points = [
        {name: _text(page.maps.points(space, name).points, "<f4") for name in ("pca", "tsne")}
        for space in spaces
    ]
    graphs = [page.maps.graph(space) for space in spaces]
    clusters = [
        _or_none(lambda space=space: grouping.clusters(page, space)) for space in spaces
    ]
    issues = _or_none(lambda: _issues(page))
    duplicates = _or_none(lambda: copies.copies(page).said("largest"))
    about = page.about()
    pair = about["pair"]
    kept = None if pair is None else _text(finding.kept(page, pair[0], pair[1], 10), "<f4")
    return {
        "about": about | {"exported": True, "search": NO_SEARCH, "write": READS_ONLY},
        "ids": _text(page.collection.ids, "<f8"),
        "points": points,
        "columns": [_coded(column.data) for column in page.columns],
        "order": _coded(page.order),
        "thumbnails": _thumbnails(page, tell),
        "rows": page.rows(range(len(page))),
        "neighbours": [_neighbours(graph) for graph in graphs],
        "clusters": clusters,
        "issues": issues,
        "duplicates": duplicates,
        "kept": kept,
    }


def _issues(page: Page) -> dict[str, Any]:
    found = issues(page)
    listed = found.said()
    return {
        "list": listed,
        "found": {entry["kind"]: found.found(entry["kind"]) for entry in listed},
    }


def _neighbours(graph: Graph) -> dict[str, Any]:
    return {
        "k": NEAREST,
        "rows": _text(graph.rows[:, :NEAREST], "<u4"),
        "similarities": _text(graph.cosines[:, :NEAREST], "<f4"),
    }


def _thumbnails(page: Page, tell: Callable[[int, int], None]) -> list[str]:
    """An address that holds the image, empty where it cannot be read."""
    side = next(side for most, side in SIDES if len(page) <= most)

    def small(row: int) -> str:
        try:
            made = page.images.small(row, side)
        except BadItem:
            return ""
        return f"data:image/webp;base64,{_coded(made)}"

    out: list[str] = []
    with ThreadPoolExecutor(default_workers()) as threads:
        for made in threads.map(small, range(len(page))):
            out.append(made)
            tell(len(out), len(page))
    return out


def _or_none(ask: Callable[[], Any]) -> Any:
    """What is asked for, None where it cannot be done here; the page says so."""
    try:
        return ask()
    except UserError:
        return None


def _text(array: np.ndarray, kind: str) -> str:
    return _coded(np.ascontiguousarray(array).astype(kind).tobytes())


def _coded(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def _digest(text: str) -> str:
    return f"sha256-{_coded(sha256(text.encode()).digest())}"
