"""What takes longer than an answer may: started once, watched, and then at hand."""

import os
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

from ilk.core.errors import UserError

Tell = Callable[[int, int | None], None]
Make = Callable[[Tell], Any]
State = Literal["working", "done", "failed"]
PATIENT = 10  # how nice a thread is that takes what is left of the processor


class Working(Exception):
    """What was asked for is being made."""

    def __init__(self, job: str) -> None:
        super().__init__(f"{job} is being made")
        self.job = job


@dataclass(slots=True)
class Job:
    """One of them.

    Args:
        title: for a person.
        state: whether it works, is done or failed.
        done: steps.
        of: how many steps there are; None where that is not known.
        words: what came of it, or why it failed.
        result: what it made.
    """

    title: str
    state: State = "working"
    done: int = 0
    of: int | None = None
    words: str = ""
    result: Any = field(default=None, repr=False)


class Jobs:
    """Jobs by name, each in a thread of its own, which never keeps the process alive.

    Args:
        at_once: each job is done when it is asked for, in the thread that asks.
    """

    def __init__(self, *, at_once: bool = False) -> None:
        self.revision = 0
        self._at_once = at_once
        self._jobs: dict[str, Job] = {}
        self._lock = threading.Lock()

    def result(self, name: str, title: str, make: Make, *, urgent: bool = False) -> Any:
        """What a job made; the first call starts it.

        Args:
            name: what the job is known by.
            title: for a person.
            make: is given a function that takes steps done and their number, and returns the
                result.
            urgent: whether it goes on beside answers; others take the processor that is left.

        Raises:
            Working: it is not done yet.
            UserError: it failed, for this reason.
        """
        with self._lock:
            new = Job(title)
            job = self._jobs.setdefault(name, new)
        if job is new and self._at_once:
            self._do(job, make)
        elif job is new:
            given = (job, make, not urgent)
            threading.Thread(target=self._do, args=given, daemon=True).start()
        if job.state == "working":
            raise Working(name)
        if job.state == "failed":
            raise UserError(job.words)
        return job.result

    def ready(self, name: str) -> Any:
        """What a job made, None where it is not done."""
        job = self._jobs.get(name)
        return job.result if job is not None and job.state == "done" else None

    def state(self, name: str) -> State | None:
        """How far a job is; None where it was never asked for."""
        job = self._jobs.get(name)
        return None if job is None else job.state

    def problem(self, name: str) -> str | None:
        """Why a job failed; None where it did not."""
        job = self._jobs.get(name)
        return job.words if job is not None and job.state == "failed" else None

    def listed(self) -> list[dict[str, Any]]:
        """Every job as plain values, the first first."""
        with self._lock:
            return [
                {
                    "job": name,
                    "title": job.title,
                    "state": job.state,
                    "done": job.done,
                    "of": job.of,
                    "words": job.words,
                }
                for name, job in self._jobs.items()
            ]

    def leave(self) -> None:
        """End the process now if a job is under way.

        Python would take the ground from under its thread, and libraries such as OpenMP crash
        on that.
        """
        if any(job.state == "working" for job in list(self._jobs.values())):
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(0)

    def _do(self, job: Job, make: Make, patient: bool = False) -> None:
        def tell(done: int, of: int | None) -> None:
            job.done, job.of = done, of

        if patient and sys.platform == "linux":  # elsewhere this would be of all threads
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), PATIENT)
        try:
            job.result = make(tell)
        except UserError as error:
            job.words, job.state = str(error), "failed"
        except Exception as error:  # a page stays, whatever one of its parts meets
            job.words, job.state = f"{job.title}: {type(error).__name__}: {error}", "failed"
        else:
            job.state = "done"
        self.revision += 1
