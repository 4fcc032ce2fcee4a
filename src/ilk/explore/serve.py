"""A page served to this machine until it is stopped."""

import logging
import os
import socket
import sys
import threading
import webbrowser
from collections.abc import Callable
from typing import Any

from ilk.core import UserError

HOST = "127.0.0.1"
PATIENCE = 1  # seconds for answers under way when the server is stopped


def listening(port: int) -> socket.socket:
    """A socket of this machine alone.

    Args:
        port: 0 takes any that is free.

    Raises:
        UserError: the port is taken or may not be used.
    """
    made = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    if os.name == "posix":  # elsewhere it lets two servers share a port
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        made.bind((HOST, port))
    except (OSError, OverflowError) as error:
        made.close()
        reason = getattr(error, "strerror", None) or str(error)
        raise UserError(
            f"port: must be free on this machine, got {port}: {reason}; choose another or 0"
        ) from error
    return made


def serve(app: Any, bound: socket.socket, ready: Callable[[], None]) -> None:
    """Serve an application until Ctrl-C.

    Args:
        app: the application.
        bound: what ``listening`` gave; it is closed in the end.
        ready: is called when requests are answered.
    """
    import uvicorn

    class Server(uvicorn.Server):
        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            ready()

    logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)
    config = uvicorn.Config(
        app, log_config=None, access_log=False, lifespan="off", server_header=False,
        timeout_graceful_shutdown=PATIENCE,
    )  # fmt: skip
    try:
        Server(config).run(sockets=[bound])
    except KeyboardInterrupt:
        pass  # how a page is closed
    finally:
        bound.close()


def show(address: str) -> None:
    """Open a browser where there is a display; it is no matter if there is none."""
    linux = sys.platform.startswith("linux")
    if linux and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        return
    threading.Thread(target=webbrowser.open, args=(address,), daemon=True).start()
