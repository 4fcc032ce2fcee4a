"""From a source to batches of views: order, threads, prefetching; a function of the step."""

import time
from collections import deque
from collections.abc import Generator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field

import cv2
import numpy as np
import torch
from jaxtyping import Int, Shaped
from torch import Tensor

from ilk.core import UserError, seeding
from ilk.data import Reader, labels
from ilk.train.profile import Clock, no_clock
from ilk.views import View


@dataclass(frozen=True, slots=True)
class Batch:
    """What one step sees.

    Args:
        items: indices in the source; where a file was bad, of the item that took its place.
        views: by name, not normalised yet.
        labels: -1 where unknown; for monitors only, no method reads them.
        waited: seconds that the step waited for this batch.
    """

    items: Int[np.ndarray, " B"]
    views: dict[str, Shaped[Tensor, "B C *spatial"]]
    labels: Int[Tensor, " B"]
    waited: float = field(default=0.0, compare=False)


class Loader:
    """Serves the batches of any range of steps, the same ones every time.

    Args:
        reader: of the source.
        views: made of every item.
        batch_size: of this rank.
        seed: of the run.
        rank: of this process.
        world: number of processes.
        workers: threads that decode and render; pixels do not depend on their number.
        ahead: batches prepared before they are asked for.
    """

    def __init__(
        self,
        reader: Reader,
        views: Sequence[View],
        *,
        batch_size: int,
        seed: int,
        rank: int = 0,
        world: int = 1,
        workers: int = 2,
        ahead: int = 3,
    ) -> None:
        self.reader = reader
        self.views = tuple(views)
        self.batch_size = batch_size
        self.seed = seed
        self.rank = rank
        self.world = world
        self.workers = workers
        self.ahead = ahead
        self.clock: Clock = no_clock
        self._labels = labels(reader.source)
        self._order: tuple[int, Int[np.ndarray, " N"]] = (-1, np.zeros(0, np.int64))
        joint = batch_size * world
        if len(reader.source) < joint:
            raise UserError(
                f"data: an epoch must fill a batch of {joint}, got {len(reader.source)} items "
                f"in {reader.source.name}; set --batch-size {len(reader.source)} or less"
            )
        self.steps_per_epoch = len(reader.source) // joint

    def batches(self, start: int, stop: int) -> Generator[Batch]:
        """The batches of steps ``start`` to ``stop - 1``."""
        cv2.setNumThreads(
            0
        )  # our threads each take a share of the batch; OpenCV's would fight them
        with ThreadPoolExecutor(self.workers, thread_name_prefix="views") as pool:
            queue: deque[list[Future[Batch]]] = deque()
            try:
                for step in range(start, min(start + self.ahead, stop)):
                    queue.append(self._submit(pool, step))
                for step in range(start, stop):
                    began = time.perf_counter()
                    parts = [future.result() for future in queue.popleft()]
                    if step + self.ahead < stop:
                        queue.append(self._submit(pool, step + self.ahead))
                    yield _joined(parts, time.perf_counter() - began)
            finally:
                pool.shutdown(wait=True, cancel_futures=True)

    def _submit(self, pool: ThreadPoolExecutor, step: int) -> list[Future[Batch]]:
        chosen = self._items(step)
        chunks = np.array_split(chosen, min(self.workers, len(chosen)))
        epoch = step // self.steps_per_epoch
        return [pool.submit(self._render, chunk, epoch) for chunk in chunks]

    def _items(self, step: int) -> Int[np.ndarray, " B"]:
        """This rank's share of a step: all ranks together take the next items of one order."""
        epoch, place = divmod(step, self.steps_per_epoch)
        if self._order[0] != epoch:
            size = len(self.reader.source)
            self._order = (epoch, seeding.permutation(self.seed, epoch, size))
        first = (place * self.world + self.rank) * self.batch_size
        return self._order[1][first : first + self.batch_size]

    def _render(self, chosen: Int[np.ndarray, " b"], epoch: int) -> Batch:
        with self.clock("decode"):
            read = [self.reader.read(int(index)) for index in chosen]
        images = [pixels for pixels, _ in read]
        items = np.array([index for _, index in read], dtype=np.int64)
        with self.clock("views"):
            views = {v.name: v.render(images, items, epoch, self.seed) for v in self.views}
        return Batch(items, views, torch.from_numpy(self._labels[items]))


def _joined(parts: list[Batch], waited: float) -> Batch:
    return Batch(
        np.concatenate([part.items for part in parts]),
        {name: torch.cat([part.views[name] for part in parts]) for name in parts[0].views},
        torch.cat([part.labels for part in parts]),
        waited,
    )
