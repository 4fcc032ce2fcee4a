"""What the page asks with content of its own, and what it writes: every POST of the API."""

# FastAPI finds its routes by decorators, which pyright takes for unused functions.
# pyright: reportUnusedFunction=false

import re
from typing import Any

from fastapi import FastAPI, HTTPException, Query, Request
from fastapi.responses import Response
from starlette.concurrency import run_in_threadpool

from ilk.core import UserError
from ilk.core.fields import FLAG, check_fields, maybe, one_of, parse_json, text, whole
from ilk.explore import finding
from ilk.explore.answers import DECISIONS, FILTER, UPLOAD, body, mask, numbers, plain, said
from ilk.explore.curation import LONGEST, Choice
from ilk.explore.jobs import Working
from ilk.explore.neighbours import grown, packed, similar
from ilk.explore.page import Page

GROWN = 2000  # images whose neighbours are asked for at once
_PLACE = re.compile(r"at character (\d+)")
_FILES = {"parquet": "application/vnd.apache.parquet", "list": "text/plain; charset=utf-8"}
_ENDINGS = {"parquet": "parquet", "list": "txt"}


def add_questions(app: FastAPI, page: Page) -> None:
    """All addresses that are given something."""
    _add_start(app, page)
    _add_searches(app, page)
    _add_writing(app, page)


def _add_searches(app: FastAPI, page: Page) -> None:
    @app.post("/api/where")
    async def where(request: Request) -> Response:
        wanted = (await body(request, FILTER)).decode("utf-8", "replace")
        return await run_in_threadpool(_meant, page, wanted)

    @app.post("/api/search")
    async def search(request: Request, k: int = Query(100, ge=1, le=200)) -> Response:
        file = await body(request, UPLOAD)
        return plain(await run_in_threadpool(finding.search, page, file, k))

    @app.post("/api/grow")
    async def grow(
        request: Request,
        n: int = Query(10, ge=1, le=100),
        map: int = 0,
    ) -> Response:
        chosen = await mask(request, len(page))
        if chosen.sum() > GROWN:
            raise HTTPException(422, f"The selection must have at most {GROWN} images.")
        made = await run_in_threadpool(grown, page.maps.space(map), chosen, n)
        return numbers(packed(made))

    @app.post("/api/similar")
    async def near(request: Request, map: int = 0) -> Response:
        chosen = await mask(request, len(page))
        made = await run_in_threadpool(similar, page.maps.space(map), chosen)
        return numbers(made.astype("<f4").tobytes())


def _add_start(app: FastAPI, page: Page) -> None:
    @app.post("/api/points/{space}/{name}")
    def start(space: int, name: str) -> Response:
        try:
            page.maps.points(space, name)
        except Working as working:
            return plain({"job": working.job}, 202)
        return plain({"job": f"{name}:{space}"}, 202)


def _meant(page: Page, wanted: str) -> Response:
    """The mask of a filter, or where it is wrong."""
    try:
        return numbers(packed(finding.where(page, wanted)))
    except UserError as error:
        place = _PLACE.search(str(error))
        return said(str(error), 422, at=int(place[1]) if place else None)


def _add_writing(app: FastAPI, page: Page) -> None:
    @app.post("/api/decisions")
    async def decide(request: Request) -> Response:
        choices = _choices(await body(request, DECISIONS), len(page))
        count = await run_in_threadpool(page.curation.decide, choices)
        return plain({"count": count, "file": str(page.curation.decisions)})

    @app.post("/api/pairs")
    async def pair(request: Request) -> Response:
        row = whole(0, len(page) - 1)
        fields = {"a": row, "b": row, "same": maybe(FLAG)}
        given = _checked(await body(request, FILTER), fields)
        mark = (given["a"], given["b"], given["same"])
        count = await run_in_threadpool(page.curation.pair, *mark)
        return plain({"count": count, "file": str(page.curation.pairs)})

    @app.post("/api/export/{form}")
    async def export(request: Request, form: str) -> Response:
        if form not in _FILES:
            raise HTTPException(404, "A selection can be exported as parquet or list.")
        chosen = await mask(request, len(page))
        made = await run_in_threadpool(finding.exported, page, chosen, form)
        named = f'attachment; filename="selection.{_ENDINGS[form]}"'
        return Response(made, media_type=_FILES[form], headers={"content-disposition": named})


def _choices(data: bytes, count: int) -> list[Choice]:
    """Decisions as the page posts them."""
    row = whole(0, count - 1)
    fields = {
        "row": row,
        "decision": maybe(one_of("keep", "drop")),
        "reason": text(LONGEST),
        "other": maybe(row),
    }
    given = parse_json(data, "decisions")
    if not isinstance(given, list):
        raise UserError("decisions: must be a list of decisions")
    optional = ("reason", "other")
    return [
        Choice(**check_fields(entry, fields, "decisions", optional=optional)) for entry in given
    ]


def _checked(data: bytes, fields: Any) -> dict[str, Any]:
    return check_fields(parse_json(data, "pairs"), fields, "pairs")
