"""Published weights where there may be no network."""

import socket
from collections.abc import Generator
from contextlib import contextmanager
from urllib.parse import urlsplit
from urllib.request import getproxies


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
    if getproxies():
        return True  # a proxy resolves names for us
    try:
        socket.getaddrinfo(urlsplit(address).hostname, 443)
    except OSError:
        return False
    return True
