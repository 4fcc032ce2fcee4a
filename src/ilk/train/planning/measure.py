"""What a step costs in time and memory, from a few small ones on a copy that is thrown away."""

import contextlib
import gc
import time
from collections.abc import Generator
from dataclasses import dataclass, replace

import numpy as np
import torch
from lightning_fabric import Fabric
from torch import Tensor

from ilk.data import Source, Subset
from ilk.embedding import embed
from ilk.train.devices import Precision
from ilk.train.length import Length
from ilk.train.loop.loader import AHEAD
from ilk.train.loop.monitor import signs
from ilk.train.loop.profile import Profile
from ilk.train.loop.step_result import NonFiniteLoss
from ilk.train.planning.machine import peak_of
from ilk.train.planning.packing import LEAST, Gain, Work, gain_of
from ilk.train.processes.ranks import from_first
from ilk.train.settings import Settings
from ilk.train.setup import Setup

SMALLEST, GROWTH = 2, 4  # images of the first step, and by how much the next may be larger
STEADY = 16  # steps of the largest size
SECONDS = 6.0  # for steps; another second or two goes into building
EMBEDDED = 64
# Beside what autograd keeps, the backward pass makes gradients of what it goes through.
BACKWARD = 1.3


@dataclass(frozen=True, slots=True)
class Cost:
    """Of a step, as a line through what was measured.

    Args:
        batch: images of the largest micro-batch that was measured.
        seconds: of a step with one such micro-batch; data and network together.
        slope: seconds of each further image.
        memory: the most that was held, in bytes.
        image_memory: bytes of each further image.
        embedding: seconds of an image when vectors are made.
        signs: seconds of a look for signs of learning and of collapse.
        packing: what packing changes, and of what step; None where it cannot help.
    """

    batch: int
    seconds: float
    slope: float
    memory: int
    image_memory: float
    embedding: float
    signs: float = 0.0
    packing: tuple[Gain, Work] | None = None

    def seconds_of(self, micro: int, accumulate: int) -> float:
        """Of a step with so many micro-batches."""
        return accumulate * (self.seconds + self.slope * (micro - self.batch))

    def memory_of(self, micro: int) -> int:
        """The most bytes that will be held."""
        return int(self.memory + self.image_memory * max(micro - self.batch, 0))

    def fitting(self, memory: float) -> int:
        """The largest micro-batch within so many bytes; 0 where none fits."""
        room = memory - self.memory
        if room < 0:
            return 0
        return self.batch + int(room / self.image_memory)


def measure(
    settings: Settings,
    source: Source,
    fabric: tuple[Fabric, Precision],
    micro: int,
    *,
    allowed: float,
    scored: bool,
) -> Cost:
    """Take steps of growing size, up to the real one, until a few seconds are over.

    Args:
        settings: of the run, all decided but perhaps the batch.
        source: the images.
        fabric: devices and precision.
        micro: images of a micro-batch of this rank; no step is larger.
        allowed: bytes that may be held; no step is taken that would hold more.
        scored: whether there are online scores, whose vectors take time too.
    """
    device, world = fabric[0].device, fabric[0].world_size
    clock, batch = _Clock(), min(SMALLEST, micro)
    steps = _Steps(settings, source, fabric, batch * world)
    times = {batch: steps.stream(batch, 1)}  # the first step also builds kernels
    bytes_each = steps.bytes_each / batch
    peaks = [(batch, peak_of(device))]
    while True:
        larger = min(batch * GROWTH, micro)
        room = peaks[-1][1] + bytes_each * (larger - batch) <= allowed
        slow = 2 * times[batch] * larger / batch > clock.left()
        if clock.shared(larger == batch or slow or not room):
            break
        batch = larger
        times[batch] = steps.stream(batch, 1)
        peaks.append((batch, peak_of(device)))
    if clock.shared(times[batch] < clock.left()):  # the first step of a size builds kernels
        times[batch] = min(times[batch], steps.stream(batch, 1))
    count = clock.shared(min(int(clock.left() / 2 / times[batch]), STEADY))
    if count >= 2:
        times[batch] = steps.stream(batch, count)
    embedding = steps.embedding() if scored else 0.0
    seconds_of_signs = steps.signs
    packing = steps.packing()
    if device.type == "cuda" and len(peaks) > 1:
        # Freed blocks may serve the larger batch, and the peak then does not grow.
        bytes_each = max(bytes_each, _slope(peaks[-2], peaks[-1]))
    peak = peak_of(device)
    del steps
    gc.collect()
    return Cost(
        batch=batch,
        seconds=times[batch],
        slope=_image_seconds(times),
        memory=peak,
        image_memory=max(bytes_each, 1.0),
        embedding=embedding,
        signs=seconds_of_signs,
        packing=packing,
    )


class _Clock:
    """What is left of the time; all processes must take the same decision."""

    def __init__(self) -> None:
        self._began = time.perf_counter()

    def left(self) -> float:
        """Seconds."""
        return SECONDS - (time.perf_counter() - self._began)

    @staticmethod
    def shared(decision: int) -> int:
        """What the first process decides."""
        return from_first(lambda: decision)


class _Steps:
    """A trainer to be thrown away, fed with any micro-batch."""

    def __init__(
        self, settings: Settings, source: Source, fabric: tuple[Fabric, Precision], batch: int
    ) -> None:
        self._length = Length(1_000_000, float(len(source)))
        trial = replace(
            settings, batch_size=batch, accumulate=1, knn_every=0, compile=False, profile=False
        )
        if trial.tune is not None:  # a step in which the backbone learns is the dearer one
            trial = replace(trial, tune_options={**trial.tune_options, "head_steps": 0})
        self._setup = Setup(
            trial, source, length=self._length, fabric=fabric, restored=True, sampled=False
        )
        self._done = 0
        self.bytes_each = 0.0  # of the first stream
        self.signs = 0.0  # seconds, of the last stream
        self._work: Work | None = None  # of the last stream, all of its steps as one

    def stream(self, batch: int, steps: int) -> float:
        """Seconds of a step, its share of the preparation of data included."""
        setup = self._setup
        loader, outcome = setup.loader_of(batch), None
        loader.clock, waited = Profile(setup.fabric.device), 0.0
        trainer, mark = setup.trainer, time.perf_counter()
        batches = loader.batches(0, steps)
        with contextlib.closing(batches):
            for taken in batches:
                counted = self._counted() if not self.bytes_each else contextlib.nullcontext()
                # What a step costs does not depend on its loss.
                with counted, contextlib.suppress(NonFiniteLoss):
                    outcome = trainer.take_step([taken], self._length.progress(trainer.step))
                views = sum(view.nbytes for view in taken.views.values())
                if not self._done:
                    self.bytes_each += (AHEAD + 2) * views
                self._done += 1
                waited += taken.waited
        seconds = (time.perf_counter() - mark) / steps
        self._work = Work.of(loader.clock.table(), shared=self._shared, waiting=waited)
        if outcome is not None:
            mark = time.perf_counter()
            signs(setup.method, outcome.context)
            self.signs = time.perf_counter() - mark
        return self._slowest(seconds)

    @property
    def _shared(self) -> bool:
        """Whether the same processors decode and compute steps."""
        return self._setup.fabric.device.type == "cpu"

    def packing(self) -> tuple[Gain, Work] | None:
        """What packing would change of the last stream; None where it could not pay."""
        setup, work, shared = self._setup, self._work, self._shared
        threads = 1 if shared else setup.workers
        assert work is not None
        may_pay = work.share(threads) > 1 - 1 / LEAST
        if not from_first(lambda: may_pay):
            return None
        detail, channels = setup.reader.detail, setup.settings.channels
        gain = from_first(lambda: gain_of(setup.source, detail, channels, shared=shared))
        return None if gain is None else (replace(gain, threads=threads), work)

    def embedding(self) -> float:
        """Seconds of an image when vectors are made."""
        setup = self._setup
        few = Subset(setup.source, np.arange(min(EMBEDDED, len(setup.source))))
        encoder, device = setup.encoder(), str(setup.fabric.device)
        mark = 0.0
        for _ in range(2):  # the first time also builds kernels
            mark = time.perf_counter()
            embed(encoder, few, device=device, workers=setup.workers)
        return (time.perf_counter() - mark) / len(few)

    def _slowest(self, seconds: float) -> float:
        """All ranks must go by one clock: the slowest."""
        fabric = self._setup.fabric
        now = torch.tensor(seconds, device=fabric.device)
        reduced = fabric.all_reduce(now, reduce_op="max")
        assert isinstance(reduced, Tensor)
        return reduced.item()

    @contextlib.contextmanager
    def _counted(self) -> Generator[None]:
        """Count the bytes that autograd keeps, weights apart."""
        student = self._setup.trainer.student
        weights = {p.untyped_storage().data_ptr() for p in student.parameters()}
        # LoRA computes a weight in every step, whatever the number of images.
        named = student.named_parameters()
        made = {p.shape for name, p in named if name.endswith("weight.original")}
        seen: dict[int, int] = {}

        def keep(tensor: Tensor) -> Tensor:
            storage = tensor.untyped_storage()
            if storage.data_ptr() not in weights and tensor.shape not in made:
                seen[storage.data_ptr()] = storage.nbytes()
            return tensor

        def give(tensor: Tensor) -> Tensor:
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(keep, give):
            yield
        self.bytes_each += BACKWARD * sum(seen.values())


def _image_seconds(times: dict[int, float]) -> float:
    """Seconds of each further image: between the two largest, but near the mean of the last."""
    sizes = sorted(times)
    last = sizes[-1]
    mean = times[last] / last
    if len(sizes) == 1:
        return mean
    slope = _slope((sizes[-2], times[sizes[-2]]), (last, times[last]))
    return min(max(slope, 0.7 * mean), mean)


def _slope(low: tuple[int, float], high: tuple[int, float]) -> float:
    return (high[1] - low[1]) / (high[0] - low[0])
