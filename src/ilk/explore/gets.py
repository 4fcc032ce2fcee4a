"""What the page reads: every GET of the API."""

# FastAPI finds its routes by decorators, which pyright takes for unused functions.
# pyright: reportUnusedFunction=false

import re

import numpy as np
from fastapi import FastAPI, HTTPException, Query
from fastapi.responses import Response

from ilk.explore import copies, finding, grouping
from ilk.explore.answers import numbers, plain, row_of
from ilk.explore.issues import issues as found_issues
from ilk.explore.page import Page

ROWS = 200  # that are asked for at once
TILES = 256
LASTING = {
    "cache-control": "private, max-age=86400"
}  # under a secret that ends with the server
_NUMBERS = re.compile(r"\d{1,10}(,\d{1,10})*")


def add_answers(app: FastAPI, page: Page) -> None:
    """All addresses that only read."""
    _add_columns(app, page)
    _add_images(app, page)
    _add_found(app, page)


def _add_columns(app: FastAPI, page: Page) -> None:
    @app.get("/api/about")
    def about() -> Response:
        return plain(page.about())

    @app.get("/api/jobs")
    def jobs() -> Response:
        return plain({"revision": page.jobs.revision, "jobs": page.jobs.listed()})

    @app.get("/api/ids")
    def ids() -> Response:
        return numbers(page.collection.ids.astype("<f8").tobytes())

    @app.get("/api/column/{number}")
    def column(number: int) -> Response:
        return numbers(page.column(number))

    @app.get("/api/order/key")
    def order() -> Response:
        return numbers(page.order)

    @app.get("/api/points/{space}/{name}")
    def points(space: int, name: str) -> Response:
        return numbers(page.maps.points(space, name).points.astype("<f4").tobytes())

    @app.get("/api/decisions")
    def decisions() -> Response:
        return plain(page.decisions())


def _add_images(app: FastAPI, page: Page) -> None:
    @app.get("/api/thumbnail/{row}")
    def thumbnail(row: int) -> Response:
        made = page.images.thumbnail(row_of(row, len(page)))
        return Response(made, media_type="image/webp", headers=LASTING)

    @app.get("/api/sheet")
    def sheet(rows: str, side: int = Query(64, ge=16, le=128)) -> Response:
        made = page.images.sheet(_rows(rows, len(page), TILES), side)
        return Response(made, media_type="image/webp", headers=LASTING)

    @app.get("/api/image/{row}")
    def image(row: int) -> Response:
        made, kind = page.images.screen(row_of(row, len(page)))
        return Response(made, media_type=kind, headers=LASTING)

    @app.get("/api/exif/{row}")
    def exif(row: int) -> Response:
        return plain(page.images.exif(row_of(row, len(page))))

    @app.get("/api/rows")
    def rows(rows: str) -> Response:
        return plain(page.rows(_rows(rows, len(page), ROWS)))


def _add_found(app: FastAPI, page: Page) -> None:
    @app.get("/api/neighbours/{space}/{row}")
    def neighbours(space: int, row: int, k: int = Query(12, ge=1, le=200)) -> Response:
        return plain(finding.neighbours(page, space, row_of(row, len(page)), k))

    @app.get("/api/clusters/{space}")
    def clusters(space: int) -> Response:
        return plain(grouping.clusters(page, space))

    @app.get("/api/kept/{before}/{after}")
    def kept(before: int, after: int, k: int = Query(10, ge=1, le=20)) -> Response:
        return numbers(finding.kept(page, before, after, k).astype("<f4").tobytes())

    @app.get("/api/issues")
    def issues() -> Response:
        return plain(found_issues(page).said())

    @app.get("/api/issues/{kind}")
    def issue(kind: str) -> Response:
        return plain(found_issues(page).found(kind))

    @app.get("/api/duplicates")
    def duplicates(rule: str = Query("largest", max_length=5000)) -> Response:
        return plain(copies.copies(page).said(rule))


def _rows(text: str, count: int, most: int) -> list[int]:
    """Rows by their numbers, with commas between."""
    if not _NUMBERS.fullmatch(text) or text.count(",") >= most:
        raise HTTPException(422, f"The rows must be at most {most} numbers.")
    found = np.array(text.split(","), np.int64)
    return [row_of(row, count) for row in found.tolist()]
