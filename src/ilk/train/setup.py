"""All parts of a run, built from its settings and its source."""

from dataclasses import replace
from typing import Any

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from ilk.core import UserError
from ilk.core.facts import LABEL, Fact
from ilk.data import (
    Masks,
    Reader,
    Scenery,
    Source,
    default_workers,
    fact,
    labels,
    monitor_labels,
    open_masks,
    window_moments,
)
from ilk.method import EMA, StepItems
from ilk.networks import Classifier, Encoder, parts_in_words, sync_batch_norm
from ilk.train.assemble import assemble, named_backbone
from ilk.train.devices import Precision, launch_fabric
from ilk.train.length import SCORES, Length, length_of
from ilk.train.loop.classes import classifier_of
from ilk.train.loop.kin_counts import reveal
from ilk.train.loop.loader import Loader
from ilk.train.loop.measured import measured_encoder
from ilk.train.loop.memories import fill
from ilk.train.loop.probe import online_probe
from ilk.train.loop.profile import Profile
from ilk.train.loop.strengths import adapter
from ilk.train.loop.trainer import Trainer
from ilk.train.records.checkpoint import (
    flattened_optimiser,
    restore_optimiser,
    restore_scaler,
)
from ilk.train.records.seal import check_state
from ilk.train.settings import Settings
from ilk.views import Moments, moments, needed


class Setup:
    """Builds and holds everything that a run needs.

    Args:
        settings: with backbone, image size and batch decided, see ``ilk.train.planning.plan``.
        source: the images.
        length: of the run; None reads it off the settings.
        fabric: launched already, and its precision; None launches one.
        start: the backbone with the weights to start from; None is random ones.
        restored: whether weights are still to be put back from a checkpoint.
        sampled: whether batches must be drawn as the method says; a trial, whose batch may be
            too small for that, takes any items then.
    """

    def __init__(
        self,
        settings: Settings,
        source: Source,
        *,
        length: Length | None = None,
        fabric: tuple[Fabric, Precision] | None = None,
        start: Encoder | None = None,
        restored: bool = False,
        sampled: bool = True,
    ) -> None:
        self._is_sampled = sampled
        self.fabric, self.precision = fabric or launch_fabric(settings)
        self.source = source
        assert settings.image_size is not None, "the image size must be decided"
        assert settings.batch_size is not None, "the batch must be decided"
        self.image_size, self.batch_size = settings.image_size, settings.batch_size
        self.workers = settings.workers or default_workers()
        self.settings = settings = replace(settings, workers=self.workers)
        self.method, student = assemble(
            settings, self.image_size, len(source), len(source.classes),
            start=start, restored=restored,
        )  # fmt: skip
        self.labels = torch.from_numpy(labels(source))
        seen = torch.from_numpy(monitor_labels(source)).long()
        if self.fabric.world_size > 1:
            student = sync_batch_norm(student, self.fabric.device)
        self.statistics = self._statistics(start)
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
        for name in self.method.facts:
            self.trainer.reveal(name, torch.from_numpy(self._known(name).values).long())
        fill(self.trainer.memory, self._known)
        # Where no label is known, the kin that rules find are never counted as right or wrong.
        self.monitor_labels = None
        if (seen >= 0).any():
            self.monitor_labels = seen.to(self.fabric.device)
        self.reader = Reader(
            source,
            channels=settings.channels,
            max_bad_share=settings.max_bad_share,
            detail=needed(self.method.views),
            kind=self.method.views[0].kind,
            masks=self._masks(),
        )
        self.loader = self._loader()
        self.profile = Profile(self.fabric.device) if settings.profile else None
        if self.profile is not None:
            self.trainer.clock = self.loader.clock = self.profile
        per_epoch = self.loader.steps_per_epoch / settings.accumulate
        self.length = length or length_of(settings, per_epoch, None)
        self._pace_extras(per_epoch)

    def _statistics(self, start: Encoder | None) -> Moments:
        """Mean and deviation of each channel; those of windows are measured."""
        if start is not None:
            return start.mean, start.std
        if self.method.views[0].kind == "window":
            return window_moments(self.source, self.settings.channels)
        return moments(self.settings.channels)

    def _known(self, name: str) -> Fact:
        """What the method may know of items, as it asks for it."""
        known = fact(self.source, name)
        if not (known.values >= 0).any():
            raise UserError(
                f"{name}s: {self.settings.method} as set must have those of some images, got "
                f"none in {self.source.name}: {known.reason}; or choose a method or kin rule "
                f"without {name}s"
            )
        share = self.method.facts.get(name, 1.0)
        values = reveal(known.values, share, seed=self.settings.seed)
        return replace(known, values=values)

    def _loader(self) -> Loader:
        settings, world = self.settings, self.fabric.world_size
        share, rest = divmod(self.batch_size, world * settings.accumulate)
        if rest:
            raise UserError(
                f"batch_size: must divide by {world} processes x {settings.accumulate} "
                f"micro-batches, got {self.batch_size}"
            )
        if share * world < 2 and any(map(_normalises, self.trainer.student.modules())):
            raise UserError(
                f"batch_size: must be {2 * settings.accumulate} or more, for batch norm needs "
                f"two images in each micro-batch, got {self.batch_size}"
            )
        return self.loader_of(share)

    def loader_of(self, share: int) -> Loader:
        """A loader of so many images for this rank at once."""
        masks = self.reader.masks
        loader = Loader(
            self.reader,
            self.method.views,
            batch_size=share,
            seed=self.settings.seed,
            rank=self.fabric.global_rank,
            world=self.fabric.world_size,
            scenery=None if masks is None else Scenery(self.reader, masks),
            workers=self.workers,
        )
        loader.sampled = self._sampled(share)
        if any(view.subset != "all" for view in self.method.views):
            loader.labelled = self._known(LABEL).values >= 0
        loader.adapt = adapter(self.trainer, self.settings.accumulate)
        loader.placed = self.method.places
        loader.pinned = self.fabric.device.type == "cuda"
        return loader

    def _sampled(self, share: int) -> StepItems | None:
        """The items of each step, where the method says how they are drawn."""
        rule = self.method.sampling
        if rule is None:
            return None
        batch = share * self.fabric.world_size
        try:
            return rule.draw(self._known(rule.fact), batch=batch, seed=self.settings.seed)
        except UserError:
            if self._is_sampled:
                raise
            return None

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
            every = max(steps / per_epoch / SCORES, 1.0)
        self.knn_every = max(round(every * per_epoch), 1)
        self.probe = None
        if every > 0 and not self.settings.guard_scores:
            self.probe = online_probe(
                self.source,
                seed=self.settings.seed,
                workers=self.workers,
                device=self.fabric.device,
            )

    def signs_due(self, step: int) -> bool:
        """Whether a step is looked at for signs of learning; so many came before it."""
        return step % self.signs_every == 0 or step + 1 == self.length.steps

    def knn_due(self, step: int) -> bool:
        """Whether there is an online k-NN score after a step, likewise."""
        if self.probe is None:
            return False
        return (step + 1) % self.knn_every == 0 or step + 1 == self.length.steps

    def encoder(self) -> Encoder:
        """The encoder as it stands; all processes must ask at once."""
        return Encoder.of(
            self._kept(),
            name=named_backbone(self.settings),
            options=dict(self.settings.backbone_options),
            image_size=self.image_size,
            channels=self.settings.channels,
            statistics=self.statistics,
        )

    def learned(self) -> tuple[Encoder, Classifier | None]:
        """The encoder and its classifier as they stand; all processes must ask at once."""
        encoder = self.encoder()
        return encoder, classifier_of(self.trainer, self.source.classes, encoder)

    def continued(self) -> dict[str, Any]:
        """What of a given backbone learns, for a record; nothing where all of it does."""
        student = self.trainer.student
        if student.tuning is None:
            return {}
        return {"tuned": parts_in_words(student.backbone, student.tuning)}

    def _kept(self) -> nn.Module:
        teacher = self.method.teacher
        if not isinstance(teacher, EMA) or teacher.measured == 0:
            return self.trainer.encoder_network()
        # Threads of the run's own loader are at work for the next steps.
        loader = self.loader_of(self.loader.batch_size)
        return measured_encoder(self.trainer, loader, teacher.measured)

    def computed_on(self) -> dict[str, Any]:
        """What the last bits of a sum depend on."""
        return {
            "processes": self.fabric.world_size,
            "threads": torch.get_num_threads(),
            "device": str(self.fabric.device),
            "precision": self.precision,
        }

    def state(self) -> dict[str, Tensor]:
        """Everything that a checkpoint holds in tensors; all processes must ask at once."""
        return self.trainer.state() | flattened_optimiser(self.trainer.optimiser.optimizer)

    def put_back(
        self, tensors: dict[str, Tensor], scaler: dict[str, Any] | None, where: str
    ) -> None:
        """Put back what `state` and `scaler_state` took.

        Args:
            tensors: the tensors of a checkpoint.
            scaler: the state of the same.
            where: they stand, for messages.

        Raises:
            UserError: they are not the state of this run.
        """
        optimiser = self.trainer.optimiser.optimizer
        parameters = [entry for group in optimiser.param_groups for entry in group["params"]]
        check_state(tensors, self.trainer.shapes(), parameters, where)
        self.trainer.load_state(tensors)
        restore_optimiser(optimiser, tensors)
        if scaler is not None and self.trainer.scaler is not None:
            restore_scaler(self.trainer.scaler, scaler)

    def scaler_state(self) -> dict[str, Any] | None:
        """State of fp16's loss scaling."""
        scaler = self.trainer.scaler
        return None if scaler is None else scaler.state_dict()


def _normalises(module: nn.Module) -> bool:
    """Whether it needs the statistics of a batch."""
    return isinstance(module, nn.modules.batchnorm._BatchNorm)
