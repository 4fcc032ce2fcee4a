"""All parts of a run, built from its settings and its source."""

import statistics
import time
from dataclasses import dataclass, replace
from typing import Any, cast

import numpy as np
import torch
from lightning_fabric import Fabric

from ilk.core import UserError
from ilk.data import (
    BadItem,
    Masks,
    Reader,
    Scenery,
    Source,
    decode,
    default_workers,
    labels,
    open_masks,
    read_item,
    unlabelled_because,
)
from ilk.networks import Encoder, multiply_adds, sync_batch_norm
from ilk.train.assemble import assemble
from ilk.train.devices import Precision, launch_fabric
from ilk.train.judge import revealed
from ilk.train.length import Length, length_of
from ilk.train.loader import Loader
from ilk.train.probe import online_probe
from ilk.train.profile import Profile
from ilk.train.ranks import from_first
from ilk.train.settings import Settings
from ilk.train.trainer import Trainer
from ilk.views import moments, needed

DEVICE_BATCH = 256  # images per device when nothing is said: fits most backbones
PROBES_PER_RUN = 20
TIMED_STEPS = 5
LARGE = 160  # pixels; pictures with a longer short side are photos, trained at 224


class Setup:
    """Builds and holds everything that a run needs.

    Args:
        settings: as given; what is left open is decided here, see ``settings`` afterwards.
        source: the pictures.
        length: known when a run is resumed, whose weights are then still to be put back; None
            works it out.
        start: the backbone with the weights to start from; None is random ones.
    """

    def __init__(
        self,
        settings: Settings,
        source: Source,
        *,
        length: Length | None = None,
        fabric: tuple[Fabric, Precision] | None = None,
        start: Encoder | None = None,
    ) -> None:
        self.fabric, self.precision = fabric or launch_fabric(settings)
        self.source = source
        self.image_size = settings.image_size or from_first(
            lambda: natural_size(source, settings.channels)
        )
        self.workers = settings.workers or default_workers()
        settings = replace(settings, image_size=self.image_size, workers=self.workers)
        self.method, student = assemble(
            settings, self.image_size, len(source), start=start, restored=length is not None
        )
        self.labels = torch.from_numpy(labels(source))
        self.batch_size = settings.batch_size or self._fitting_batch(settings)
        self.settings = replace(settings, batch_size=self.batch_size)
        if self.fabric.world_size > 1:
            student = sync_batch_norm(student, self.fabric.device)
        self.statistics = moments(settings.channels)
        if start is not None:
            self.statistics = start.mean, start.std
        self.trainer = Trainer(
            self.method,
            student,
            fabric=self.fabric,
            batch_size=self.batch_size,
            lr=settings.lr,
            statistics=self.statistics,
            seed=settings.seed,
            compiled=settings.compile,
        )
        self._reveal()
        # Where no label is known, whom kin rules find is never judged.
        self.judged_by = None
        if (self.labels >= 0).any():
            self.judged_by = self.labels.to(self.fabric.device)
        self.reader = Reader(
            source,
            channels=settings.channels,
            max_bad_share=settings.max_bad_share,
            detail=needed(self.method.views),
            masks=self._masks(),
        )
        self.loader = self._loader()
        self.profile = Profile(self.fabric.device) if settings.profile else None
        if self.profile is not None:
            self.trainer.clock = self.loader.clock = self.profile
        per_epoch = self.loader.steps_per_epoch / settings.accumulate
        seconds = None
        if length is None and settings.minutes is not None:
            seconds = timed_step(settings, source, (self.fabric, self.precision)).seconds
        self.length = length or length_of(settings, per_epoch, seconds)
        self._pace_extras(per_epoch)

    def _reveal(self) -> None:
        """Labels for a method that goes by them, and for no other."""
        if not self.method.labels:
            return
        if not (self.labels >= 0).any():
            raise UserError(
                f"labels: {self.settings.method} as set must have those of some images, got "
                f"none in {self.source.name}: {unlabelled_because(self.source)}; or choose a "
                f"method or kin rule without labels"
            )
        share = self.method.label_share
        self.trainer.reveal(revealed(self.labels, share, seed=self.settings.seed))

    def _fitting_batch(self, settings: Settings) -> int:
        joint = DEVICE_BATCH * self.fabric.world_size * settings.accumulate
        return min(self.method.batch_size, joint, max(len(self.source) // 2 * 2, 1))

    def _loader(self) -> Loader:
        settings, world = self.settings, self.fabric.world_size
        share, rest = divmod(self.batch_size, world * settings.accumulate)
        if rest:
            raise UserError(
                f"--batch-size: must divide by {world} processes x {settings.accumulate} "
                f"micro-batches, got {self.batch_size}"
            )
        masks = self.reader.masks
        scenery = None if masks is None else Scenery(self.reader, masks)
        return Loader(
            self.reader,
            self.method.views,
            batch_size=share,
            seed=settings.seed,
            rank=self.fabric.global_rank,
            world=world,
            scenery=scenery,
            workers=self.workers,
        )

    def _masks(self) -> Masks | None:
        """What knows foregrounds, where backgrounds are changed."""
        if self.settings.background is None:
            return None
        return open_masks(self.settings.masks, self.source)

    def _pace_extras(self, per_epoch: float) -> None:
        """How often to save, log, look for collapse and score, in steps."""
        steps = self.length.steps
        self.checkpoint_every = self.settings.checkpoint_every or max(round(per_epoch), 1)
        self.log_every = max(steps // 1000, 1)
        self.signs_every = max(steps // 100, self.log_every)
        every = self.settings.knn_every
        if every is None:
            every = max(steps / per_epoch / PROBES_PER_RUN, 1.0)
        self.knn_every = max(round(every * per_epoch), 1)
        self.probe = None
        if every > 0:
            self.probe = online_probe(
                self.source,
                seed=self.settings.seed,
                workers=self.workers,
                device=self.fabric.device,
            )

    def encoder(self) -> Encoder:
        """The encoder as it stands; all processes must ask at once."""
        return Encoder.of(
            self.trainer.encoder_network(),
            name=self.settings.backbone,
            options=dict(self.settings.backbone_options),
            image_size=self.image_size,
            channels=self.settings.channels,
            statistics=self.statistics,
        )

    def scaler_state(self) -> dict[str, Any] | None:
        """State of fp16's loss scaling."""
        scaler = self.trainer.scaler
        return None if scaler is None else scaler.state_dict()

    def load_scaler(self, state: dict[str, Any] | None) -> None:
        """Put back what `scaler_state` took."""
        if state is not None and self.trainer.scaler is not None:
            self.trainer.scaler.load_state_dict(state)


@dataclass(frozen=True, slots=True)
class Plan:
    """What a run will take.

    Args:
        steps: of the optimiser.
        steps_per_epoch: batches in an epoch.
        parameters: of the student.
        multiply_adds: of the backbone for one full-size view.
        seconds: median time of a step, measured.
        memory: largest resident memory in bytes so far; of the device where it has its own.
    """

    steps: int
    steps_per_epoch: float
    parameters: int
    multiply_adds: int
    seconds: float
    memory: int


def timed_step(settings: Settings, source: Source, fabric: tuple[Fabric, Precision]) -> Plan:
    """Take a few steps on a copy that is thrown away, and measure them."""
    wanted = settings.steps
    if wanted is None and settings.epochs is None:
        wanted = TIMED_STEPS
    short = replace(settings, minutes=None, steps=wanted, knn_every=0)
    if wanted is not None:
        short = replace(short, epochs=None)
    setup = Setup(short, source, fabric=fabric)
    micro = setup.settings.accumulate
    batches = setup.loader.batches(0, (TIMED_STEPS + 1) * micro)
    seconds = []
    for _ in range(TIMED_STEPS + 1):
        mark = time.perf_counter()
        taken = [next(batches) for _ in range(micro)]
        setup.trainer.take_step(taken, setup.length.progress(setup.trainer.step))
        seconds.append(time.perf_counter() - mark)
    batches.close()
    student = setup.trainer.student
    size = setup.image_size
    seconds_now = torch.tensor(statistics.median(seconds[1:]), device=setup.fabric.device)
    # All ranks must go by one clock: the slowest.
    slowest = cast(torch.Tensor, setup.fabric.all_reduce(seconds_now, reduce_op="max")).item()
    return Plan(
        steps=setup.length.steps,
        steps_per_epoch=setup.length.steps_per_epoch,
        parameters=sum(p.numel() for p in student.parameters()),
        multiply_adds=multiply_adds(student.backbone, (setup.settings.channels, size, size)),
        seconds=slowest,
        memory=_memory(setup.fabric.device),
    )


def natural_size(source: Source, channels: int) -> int:
    """The size to train at: 224 for photos, else the pictures' own, in steps of 16 from 32."""
    shorter = []
    for index in np.linspace(0, len(source) - 1, num=min(len(source), 32), dtype=int):
        try:
            pixels = decode(read_item(source, int(index)), channels=channels)
        except BadItem:
            continue
        shorter.append(min(pixels.shape[:2]))
    side = statistics.median(shorter) if shorter else LARGE
    return 224 if side >= LARGE else max(int(side) // 16 * 16, 32)


def _memory(device: torch.device) -> int:
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
