"""The page of a collection over HTTP: one static page, and an API below it.

Rows travel as JSON; what there is for every image, as little-endian arrays in the order of the
rows; a selection as a mask, bit i & 7 of byte i >> 3 for row i.
"""

# FastAPI finds its routes by decorators, which pyright takes for unused functions.
# pyright: reportUnusedFunction=false

import secrets
from collections.abc import Mapping, Sequence

from fastapi import FastAPI, HTTPException, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from starlette.exceptions import HTTPException as NoSuch  # also of addresses that no route has

from ilk.core import UserError
from ilk.data import BadItem
from ilk.explore.answers import said
from ilk.explore.bundle import static_files
from ilk.explore.gets import add_answers
from ilk.explore.jobs import Working
from ilk.explore.page import Page
from ilk.explore.posts import add_questions
from ilk.explore.safety import Guarded

TYPES: Mapping[str, str] = {
    "html": "text/html; charset=utf-8",
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
}


def application(page: Page, port: int, token: str | None = None) -> Guarded:
    """What serves a page to this machine.

    Args:
        page: what it is over.
        port: that it will be served on.
        token: the secret in its address; a random one when None.
    """
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    _add_faults(app)
    add_answers(app, page)
    add_questions(app, page)
    _add_files(app)
    return Guarded(app, token or secrets.token_urlsafe(24), port)


def _add_faults(app: FastAPI) -> None:
    """Every fault is one clear sentence in JSON."""

    @app.exception_handler(Working)
    async def working(request: Request, error: Working) -> Response:
        return JSONResponse({"job": error.job}, 202)

    @app.exception_handler(UserError)
    async def refused(request: Request, error: UserError) -> Response:
        return said(str(error), 409)

    @app.exception_handler(BadItem)
    async def bad(request: Request, error: BadItem) -> Response:
        return said(str(error), 404)

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, error: RequestValidationError) -> Response:
        return said("The question must be as the page asks it.", 422)

    @app.exception_handler(NoSuch)
    async def other(request: Request, error: NoSuch) -> Response:
        return said(str(error.detail), error.status_code)

    @app.exception_handler(Exception)
    async def failed(request: Request, error: Exception) -> Response:
        return said(f"The server failed: {type(error).__name__}.", 500)


def _add_files(app: FastAPI) -> None:
    """The static files, read once; a name that is none of them is not looked for on a disk."""
    files = static_files()
    files["index.html"] = preloading(files["index.html"], sorted(files))

    @app.get("/")
    @app.get("/{name}")
    def file(name: str = "index.html") -> Response:
        ending = name.rpartition(".")[2]
        if name not in files or ending not in TYPES:
            raise HTTPException(404, "There is no such page.")
        headers = {"cache-control": "no-cache"}
        return Response(files[name], media_type=TYPES[ending], headers=headers)


def preloading(html: bytes, names: Sequence[str]) -> bytes:
    """The page, which asks for all its modules at once and not as it comes upon their names."""
    links = "".join(
        f'<link rel="modulepreload" href="{name}">\n' for name in names if name.endswith(".js")
    )
    return html.replace(b"</head>", links.encode() + b"</head>")
