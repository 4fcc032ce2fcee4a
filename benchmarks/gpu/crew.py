"""Units in processes of their own, until the clock says that it is enough."""

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
SPOILT = 3  # exit status of a process whose device gave an error
Keep = Callable[[str, dict[str, Any]], None]


@dataclass(frozen=True, kw_only=True)
class Crew:
    """Processes that work off units.

    Args:
        arguments: what ``benchmarks.gpu.worker`` is called with, before the names of units.
        until: time of the clock at which what is under way is ended.
        keep: is given the name of a unit and its row.
        log: takes what processes say beside their rows.
    """

    arguments: tuple[str, ...]
    until: float
    keep: Keep
    log: Path

    def finish(self, names: Sequence[str], side: int = 1) -> list[str]:
        """Work off all units, several processes side by side.

        Returns:
            Those that the clock left out.
        """
        shares = [list(names[first::side]) for first in range(min(side, len(names)))]
        with ThreadPoolExecutor(max(len(shares), 1)) as pool:
            threads = max((os.cpu_count() or 1) // max(len(shares), 1), 1)
            done = pool.map(lambda share: self._share(share, threads), shares)
            return [name for left in done for name in left]

    def _share(self, waiting: list[str], threads: int) -> list[str]:
        while waiting and time.time() < self.until:
            status = self._process(waiting, threads)
            if waiting and status != SPOILT and time.time() < self.until:
                self.keep(waiting.pop(0), {"failed": f"its process ended with status {status}"})
        return waiting

    def _process(self, waiting: list[str], threads: int) -> int:
        """Start a process on all that waits; what has a row waits no more."""
        command = [sys.executable, "-m", "benchmarks.gpu.worker", *self.arguments, *waiting]
        paths = (str(ROOT / "src"), str(ROOT), os.environ.get("PYTHONPATH", ""))
        around = {"OMP_NUM_THREADS": str(threads), **os.environ}
        around["PYTHONPATH"] = os.pathsep.join(filter(None, paths))
        with (
            self.log.open("ab") as log,
            subprocess.Popen(
                command, cwd=ROOT, env=around, stdout=subprocess.PIPE, stderr=log, text=True
            ) as process,
        ):
            assert process.stdout is not None
            timer = threading.Timer(max(self.until - time.time(), 0), process.kill)
            timer.start()
            try:
                for line in process.stdout:
                    found = json.loads(line)
                    waiting.remove(found["unit"])
                    self.keep(found["unit"], found["row"])
            finally:
                timer.cancel()
                process.kill()
            return process.wait()
