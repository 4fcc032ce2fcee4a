"""Where the time of a run goes."""

import threading
import time
from collections import defaultdict
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import torch

THREADED = ("decode", "views")  # done by threads, beside the step
STEP = (
    "waiting", "normalise", "mixing", "student", "teacher", "loss", "backward", "optimiser",
)  # fmt: skip

Clock = Callable[[str], AbstractContextManager[None]]
_NOTHING = nullcontext()


def no_clock(part: str) -> AbstractContextManager[None]:
    """Measures nothing."""
    return _NOTHING


class Profile:
    """Adds up seconds by part; a device is waited for at both ends of every part of the step.

    Args:
        device: that the step runs on.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._lock = threading.Lock()
        self._seconds: defaultdict[str, float] = defaultdict(float)
        self._processor: defaultdict[str, float] = defaultdict(float)  # of threaded parts
        self._began, self._busy = time.perf_counter(), time.process_time()
        self._steps = -1

    def on_step(self) -> None:
        """Count a step; the first one is forgotten: it pays for what later ones find done."""
        self._steps += 1
        if self._steps == 0:
            with self._lock:
                self._seconds.clear()
                self._processor.clear()
            self._began, self._busy = time.perf_counter(), time.process_time()

    @contextmanager
    def __call__(self, part: str) -> Generator[None]:
        """Measure one part, on any thread."""
        threaded = part in THREADED
        if not threaded:
            self._refresh()
        began, busy = time.perf_counter(), time.thread_time()
        yield
        if not threaded:
            self._refresh()
        with self._lock:
            self._seconds[part] += time.perf_counter() - began
            if threaded:
                self._processor[part] += time.thread_time() - busy

    def table(self) -> dict[str, Any]:
        """Mean seconds of a step, by part; ``rest`` is what no part accounts for.

        ``threads`` adds up what several threads took for a step, side by side; ``processor``
        has seconds of processors: of these threads, and of all that a step does.
        """
        steps = max(self._steps, 1)
        with self._lock:
            each = {part: self._seconds[part] / steps for part in (*STEP, *THREADED)}
            spent = {part: self._processor[part] / steps for part in THREADED}
        total = (time.perf_counter() - self._began) / steps
        step = {part: each[part] for part in STEP}
        return {
            "steps": max(self._steps, 0),
            "seconds": total,
            "step": step | {"rest": total - sum(step.values())},
            "threads": {part: each[part] for part in THREADED},
            "processor": spent | {"step": (time.process_time() - self._busy) / steps},
        }

    def _refresh(self) -> None:
        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)
        elif self._device.type == "mps":
            torch.mps.synchronize()
