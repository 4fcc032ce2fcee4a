"""Answers of the API in their forms. Axes: N images."""

from typing import Any

from fastapi import HTTPException, Request
from fastapi.responses import JSONResponse, Response

from ilk.core import shown
from ilk.explore.neighbours import unpacked

UPLOAD = 64 * 2**20  # bytes of an image to search by
DECISIONS = 32 * 2**20  # bytes of decisions
FILTER = 40_000  # bytes
NEVER = {"cache-control": "no-store"}


def said(error: str, status: int, **more: Any) -> Response:
    """A fault in one sentence."""
    return JSONResponse({"error": shown(error), **more}, status, NEVER)


def numbers(data: bytes) -> Response:
    """Little-endian values for every image, or a mask."""
    return Response(data, media_type="application/octet-stream", headers=NEVER)


def plain(content: Any, status: int = 200) -> Response:
    """JSON of finite numbers."""
    return JSONResponse(content, status, NEVER)


async def body(request: Request, most: int) -> bytes:
    """What a request brings, as long as it is not too much."""
    parts: list[bytes] = []
    size = 0
    async for part in request.stream():
        size += len(part)
        if size > most:
            raise HTTPException(413, f"The request must have at most {most:,} bytes.")
        parts.append(part)
    return b"".join(parts)


async def mask(request: Request, count: int) -> Any:
    """A selection of so many images."""
    found = unpacked(await body(request, -(-count // 8)), count)
    if found is None:
        raise HTTPException(422, f"The selection must have a bit for each of {count:,} images.")
    return found


def row_of(row: int, count: int) -> int:
    """A row that there is."""
    if not 0 <= row < count:
        raise HTTPException(404, f"There is no image {row} among {count:,}.")
    return row
