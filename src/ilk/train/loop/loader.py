"""From a source to batches of views: order, threads, prefetching; a function of the step."""

import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace

import cv2
import numpy as np
import torch
from jaxtyping import Bool, Float, Int, Shaped
from torch import Tensor

from ilk.core import UserError, seeding
from ilk.core.items import ItemSubset
from ilk.core.prefetch import prefetched
from ilk.data import MEMORY, Reader
from ilk.method import StepItems
from ilk.train.loop.profile import Clock, no_clock
from ilk.views import MATCHED, ImageView, Scenery, View, draw, render, tasks_of

AHEAD = 3  # batches prepared before they are asked for
Shown = dict[ItemSubset, list[View]]
HELD = 8 * 2**20  # bytes of decoded images that a thread keeps before it makes their views


@dataclass(frozen=True, slots=True)
class Batch:
    """What one step sees.

    Args:
        items: indices in the source; where a file was bad, of the item that took its place.
        views: by name, not normalised yet.
        places: by name of a view, where in its image a row lies, as in `ilk.core.RowFacts`;
            empty where nothing asks for it.
        subsets: by name of a view that is made of some of the items alone, these items.
        tasks: by name of a view, what was done to each row, as in `ilk.core.RowFacts`; of views
            whose policy says so.
        waited: seconds that the step waited for this batch.
    """

    items: Int[np.ndarray, " B"]
    views: dict[str, Shaped[Tensor, "_ C *_"]]
    places: dict[str, Float[Tensor, "_ 4"]] = field(default_factory=dict)
    subsets: dict[str, Int[np.ndarray, " _"]] = field(default_factory=dict)
    tasks: dict[str, Int[np.ndarray, " _"]] = field(default_factory=dict)
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
        scenery: knows foregrounds, for views that change backgrounds.
        workers: threads that decode and render; pixels do not depend on their number.

    Attributes:
        sampled: gives the items of a step over all ranks, all different; None takes the next of
            a random order of all, of which each epoch has its own.
        labelled: of which items the method may know the label, for views of some items alone.
        adapt: gives the views of a step, where they change as training goes on; None is always
            the same.
        placed: whether batches tell where in its image each row lies.
        pinned: whether views lie in pages that a GPU copies while the host goes on.
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
        scenery: Scenery | None = None,
        workers: int = 2,
    ) -> None:
        self.reader = reader
        self.views = tuple(views)
        self.batch_size = batch_size
        self.seed = seed
        self.rank = rank
        self.world = world
        self.scenery = scenery
        self.workers = workers
        self.sampled: StepItems | None = None
        self.labelled: Bool[np.ndarray, " N"] | None = None
        self.adapt: Callable[[Sequence[View], int], Sequence[View]] | None = None
        self.placed = False
        self.clock: Clock = no_clock
        self.pinned = False
        self._ended = threading.Event()
        self._order: tuple[int, Int[np.ndarray, " N"]] = (-1, np.zeros(0, np.int64))
        joint = batch_size * world
        if len(reader.source) < joint:
            raise UserError(
                f"data: an epoch must fill a batch of {joint}, got {len(reader.source)} items "
                f"in {reader.source.name}; set batch_size={len(reader.source)} or less"
            )
        self.steps_per_epoch = len(reader.source) // joint

    def batches(self, start: int, stop: int) -> Generator[Batch]:
        """The batches of steps ``start`` to ``stop - 1``."""
        cv2.setNumThreads(
            0
        )  # our threads each take a share of the batch; OpenCV's would fight them
        self._ended.clear()
        with ThreadPoolExecutor(self.workers, thread_name_prefix="views") as pool:
            steps = range(start, stop)
            batches = prefetched(lambda step: self._submit(pool, step), steps, ahead=AHEAD)
            try:
                for _ in steps:
                    began = time.perf_counter()
                    batch = next(batches)
                    yield replace(batch, waited=time.perf_counter() - began)
            finally:
                self._ended.set()
                pool.shutdown(wait=True, cancel_futures=True)

    def _submit(self, pool: ThreadPoolExecutor, step: int) -> Future[Batch]:
        chosen = self._items(step)
        chunks = np.array_split(chosen, min(self.workers, len(chosen)))
        # An item that comes again in an epoch must be seen in another way.
        when = step if self.sampled else step // self.steps_per_epoch
        views = _by_subset(self.views if self.adapt is None else self.adapt(self.views, step))
        parts = [pool.submit(self._render, chunk, when, views) for chunk in chunks]
        # Started after all parts were, so that it waits for threads that are at work.
        return pool.submit(lambda: self._whole([part.result() for part in parts]))

    def _whole(self, parts: list[Batch]) -> Batch:
        batch = _joined(parts)
        if not self.pinned:
            return batch
        return replace(batch, views={k: v.pin_memory() for k, v in batch.views.items()})

    def _items(self, step: int) -> Int[np.ndarray, " B"]:
        """This rank's share of a step: all ranks together take the next items of one order."""
        if self.sampled is not None:
            first = self.rank * self.batch_size
            return self.sampled(step)[first : first + self.batch_size]
        epoch, place = divmod(step, self.steps_per_epoch)
        if self._order[0] != epoch:
            size = len(self.reader.source)
            self._order = (epoch, seeding.permutation(self.seed, epoch, size))
        first = (place * self.world + self.rank) * self.batch_size
        return self._order[1][first : first + self.batch_size]

    def _render(self, chosen: Int[np.ndarray, " b"], when: int, shown: Shown) -> Batch:
        parts: list[Batch] = []
        for images, items in self._pieces(chosen):
            part = Batch(items, {})
            for subset, views in shown.items():
                self._render_some(part, views, images, self._rows(items, subset), when)
            parts.append(part)
        return _joined(parts)

    def _render_some(
        self,
        part: Batch,
        views: list[View],
        images: list[np.ndarray],
        rows: Int[np.ndarray, " p"] | None,
        when: int,
    ) -> None:
        """Views of some of the items, or of all of them, into a batch."""
        items, count = part.items, len(part.items)
        if rows is not None:
            count = len(rows)
            # Where there are none, one is rendered all the same, for the shape of its views.
            rows = rows if count else np.zeros(1, np.int64)
            images, items = [images[row] for row in rows], items[rows]
            part.subsets.update({view.name: items[:count] for view in views})
        with self.clock("views"):
            made = render(views, images, items, when, self.seed, self.scenery)
        part.views.update({name: rendered[:count] for name, rendered in made.items()})
        part.tasks.update(tasks_of(views, items[:count], when, self.seed))
        if self.placed:
            places = self._places(views, images, items, when)
            part.places.update({name: edges[:count] for name, edges in places.items()})

    def _rows(
        self, items: Int[np.ndarray, " p"], subset: ItemSubset
    ) -> Int[np.ndarray, " q"] | None:
        """Which of some items belong to a subset; None where all do by its name."""
        if subset == "all":
            return None
        assert self.labelled is not None, "views of some items alone need to know which"
        return np.flatnonzero(self.labelled[items] == (subset == "labelled"))

    def _places(
        self,
        views: list[View],
        images: list[np.ndarray],
        items: Int[np.ndarray, " p"],
        when: int,
    ) -> dict[str, Float[Tensor, "p 4"]]:
        """Of views that show the image of their row, be it before another background."""
        heights, widths = np.array([image.shape[:2] for image in images]).T
        drawn = {
            view.name: draw(view, heights, widths, items, when, self.seed)
            for view in views
            if isinstance(view, ImageView) and _shows_its_row(view)
        }
        return {
            name: torch.from_numpy(draws.edges(heights, widths).astype(np.float32))
            for name, draws in drawn.items()
        }

    def _pieces(
        self, chosen: Int[np.ndarray, " b"]
    ) -> Iterator[tuple[list[np.ndarray], Int[np.ndarray, " p"]]]:
        """Decoded items, a few at a time: large photos would not fit the cache, nor memory."""
        waiting = deque(chosen.tolist())
        while waiting:
            with MEMORY.turn():
                yield self._piece(waiting)

    def _piece(self, waiting: deque[int]) -> tuple[list[np.ndarray], Int[np.ndarray, " p"]]:
        """The next of them, until enough is held."""
        images: list[np.ndarray] = []
        items: list[int] = []
        held = 0
        while waiting and held < HELD:
            if self._ended.is_set():  # a large batch would hold up the end for long
                raise CancelledError
            with self.clock("decode"):
                pixels, item = self.reader.read(waiting.popleft())
            images.append(pixels)
            items.append(item)
            held += pixels.nbytes
        return images, np.array(items, dtype=np.int64)


def _shows_its_row(view: ImageView) -> bool:
    return view.background is None or view.background.kind != MATCHED


def _joined(parts: list[Batch]) -> Batch:
    if len(parts) == 1:
        return parts[0]
    return Batch(
        np.concatenate([part.items for part in parts]),
        {name: torch.cat([part.views[name] for part in parts]) for name in parts[0].views},
        {name: torch.cat([part.places[name] for part in parts]) for name in parts[0].places},
        subsets=_joined_numbers([part.subsets for part in parts]),
        tasks=_joined_numbers([part.tasks for part in parts]),
    )


def _joined_numbers(
    parts: list[dict[str, Int[np.ndarray, " _"]]],
) -> dict[str, Int[np.ndarray, " _"]]:
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _by_subset(views: Sequence[View]) -> Shown:
    out: Shown = {}
    for view in views:
        out.setdefault(view.subset, []).append(view)
    return out
