"""Who may ask the server what: this machine's own page alone.

Other pages that a browser shows could reach a server of the same machine, by its address or by
a name that they own and turn to 127.0.0.1 (DNS rebinding). So a request must name the secret in
its path, and its ``Host`` and ``Origin`` must be ours.
"""

import secrets
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

POLICY = (
    "default-src 'self'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; "
    "object-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
HEADERS: Mapping[str, str] = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}
DOOR = "open"  # the first part of the path that leads to the page once


class Guarded:
    """An application behind a secret path; a request that lacks anything gets a bare refusal.

    Args:
        app: is given the path behind the secret.
        token: the secret, the first part of every path.
        port: where the server listens on this machine.
    """

    def __init__(self, app: App, token: str, port: int) -> None:
        self._app = app
        self._token = token.encode()
        self._hosts = {f"127.0.0.1:{port}", f"localhost:{port}"}
        self._origins = {f"http://{host}" for host in self._hosts}
        self._once: bytes | None = secrets.token_urlsafe(24).encode()

    @property
    def home(self) -> str:
        """The path of the page."""
        return f"/{self._token.decode()}/"

    @property
    def door(self) -> str:
        """A path that leads to the page once; other users may read a browser's arguments."""
        return f"/{DOOR}/{(self._once or b'').decode()}"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or have it answered."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
        elif scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1008})
        elif not self._ours(scope):
            await _answer(send, 403, b"This page is for the machine that serves it.\n")
        else:
            await self._enter(scope, receive, send)

    def _ours(self, scope: Scope) -> bool:
        """Whether a browser asks on behalf of our own page."""
        named: dict[bytes, list[str]] = {b"host": [], b"origin": []}
        for name, value in scope["headers"]:
            if name.lower() in named:
                named[name.lower()].append(value.decode("latin-1"))
        hosts, origins = named[b"host"], named[b"origin"]
        if len(hosts) != 1 or hosts[0] not in self._hosts:
            return False
        if any(origin not in self._origins for origin in origins):
            return False
        return scope["method"] in {"GET", "HEAD"} or (
            scope["method"] == "POST" and len(origins) == 1
        )

    async def _enter(self, scope: Scope, receive: Receive, send: Send) -> None:
        first, slash, rest = scope["path"].removeprefix("/").partition("/")
        home = {"location": self.home, "cache-control": "no-store"}
        if first == DOOR and self._opens(rest):
            await _answer(send, 303, b"", home)
        elif not _same(first, self._token):
            await _answer(send, 403, b"The address must be the one that ilk view printed.\n")
        elif not slash:
            await _answer(send, 303, b"", home)
        else:
            inner = {**scope, "path": f"/{rest}", "raw_path": f"/{rest}".encode()}
            await self._app(inner, receive, _with_headers(send))

    def _opens(self, given: str) -> bool:
        """Whether this is the key of the door, which then fits no more."""
        right = self._once is not None and _same(given, self._once)
        if right:
            self._once = None
        return right


def _same(given: str, secret: bytes) -> bool:
    """In a time that says nothing of where they differ."""
    return secrets.compare_digest(given.encode("utf-8", "surrogatepass"), secret)


def _with_headers(send: Send) -> Send:
    async def sent(message: Message) -> None:
        if message["type"] == "http.response.start":
            own = {name.lower() for name, _ in message.get("headers", ())}
            more = [
                (n.encode(), v.encode()) for n, v in HEADERS.items() if n.encode() not in own
            ]
            message = {**message, "headers": [*message.get("headers", ()), *more]}
        await send(message)

    return sent


async def _answer(
    send: Send, status: int, body: bytes, headers: Mapping[str, str] | None = None
) -> None:
    given = {"content-type": "text/plain; charset=utf-8", **HEADERS, **(headers or {})}
    fields = [(name.encode(), value.encode()) for name, value in given.items()]
    await send({"type": "http.response.start", "status": status, "headers": fields})
    await send({"type": "http.response.body", "body": body})
