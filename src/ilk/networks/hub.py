"""Published weights where there may be no network."""

import socket
from collections.abc import Generator
from contextlib import contextmanager, suppress
from threading import Thread
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

PATIENCE = 1.0  # seconds


@contextmanager
def offline_if_unreachable() -> Generator[None]:
    """Let the Hugging Face client read its cache only, where its server is out of reach.

    It would otherwise retry for most of a minute before it gives up.
    """
    from huggingface_hub import constants

    before = constants.HF_HUB_OFFLINE
    constants.HF_HUB_OFFLINE = before or not _reachable(constants.ENDPOINT)
    try:
        yield
    finally:
        constants.HF_HUB_OFFLINE = before


def _reachable(address: str) -> bool:
    """Whether the server, or the proxy before it, answers within a second."""
    found: list[bool] = []

    def ask() -> None:
        with suppress(OSError), socket.create_connection(_door(address), timeout=PATIENCE):
            found.append(True)

    # In a thread: looking up a name has no time limit of its own.
    asking = Thread(target=ask, daemon=True)
    asking.start()
    asking.join(PATIENCE)
    return bool(found)


def _door(address: str) -> tuple[str, int]:
    """Host and port to connect to."""
    place = urlsplit(address)
    host, proxies = place.hostname or "", getproxies()
    proxy = proxies.get(place.scheme) or proxies.get("all")
    if proxy and not proxy_bypass(host):
        place = urlsplit(proxy if "//" in proxy else f"//{proxy}")
    return place.hostname or host, place.port or (80 if place.scheme == "http" else 443)
