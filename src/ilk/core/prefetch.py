"""Work that is done ahead of who asks for it, in order."""

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


def prefetched(
    submit: Callable[[T], Future[R]], asked: Iterable[T], *, ahead: int
) -> Generator[R]:
    """The results of submitted work, in the order in which it is asked for.

    Args:
        submit: starts the work on one entry, such as a method of a pool of threads.
        asked: what to work on; looked at no further than results are needed.
        ahead: entries that are worked on before the first result is waited for, at least 1.

    Example:
        >>> from concurrent.futures import ThreadPoolExecutor
        >>> with ThreadPoolExecutor(2) as pool:
        ...     list(prefetched(lambda n: pool.submit(abs, n), [-3, 1, -2], ahead=2))
        [3, 1, 2]
    """
    waiting: deque[Future[R]] = deque()
    for entry in asked:
        waiting.append(submit(entry))
        if len(waiting) > ahead:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()


def mapped_ahead(
    work: Callable[[T], R], asked: Iterable[T], *, workers: int, name: str
) -> Generator[R]:
    """The results of ``work`` by threads, in order; no more than ``workers`` + 1 wait.

    What was begun is cancelled when the iteration ends early.

    Args:
        work: on one entry.
        asked: what to work on.
        workers: threads; 0 is one.
        name: with which the names of the threads begin.
    """
    workers = max(workers, 1)
    pool = ThreadPoolExecutor(workers, thread_name_prefix=name)
    try:
        yield from prefetched(lambda entry: pool.submit(work, entry), asked, ahead=workers)
    finally:
        pool.shutdown(cancel_futures=True)
