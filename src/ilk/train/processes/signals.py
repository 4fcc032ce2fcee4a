"""Signals that ask a run to stop."""

import contextlib
import signal
from collections.abc import Generator
from types import FrameType
from typing import Any


class Interrupted(Exception):
    """The run was asked to stop; everything is saved."""

    def __init__(self, signum: int) -> None:
        super().__init__(signal.Signals(signum).name)
        self.exit_code = 128 + signum


class Asked:
    """The signals that asked a run to stop."""

    def __init__(self) -> None:
        self.signum = 0
        self.trained = False  # whether this process has anything to save


@contextlib.contextmanager
def collected_signals() -> Generator[Asked]:
    """Collect SIGTERM, SIGINT and SIGHUP instead of dying; a second Ctrl-C stops at once.

    What is ignored, as nohup and shells do with jobs in the background, stays so. Before the
    first step there is nothing to wait for.
    """
    asked = Asked()

    def note(signum: int, frame: FrameType | None) -> None:
        if asked.signum and signum == signal.SIGINT:
            raise KeyboardInterrupt
        asked.signum = max(asked.signum, signum)
        if not asked.trained:
            raise Interrupted(signum)

    before: dict[int, Any] = {}
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        signum = getattr(signal, name, None)  # SIGHUP is unknown to Windows
        if signum is not None and signal.getsignal(signum) is not signal.SIG_IGN:
            with contextlib.suppress(ValueError):  # in a thread signals are the main one's
                before[signum] = signal.signal(signum, note)
    try:
        yield asked
    finally:
        for signum, handler in before.items():
            signal.signal(signum, handler)
