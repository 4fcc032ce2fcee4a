"""One step of a run previewed without taking it: which pairs its terms treat as positives."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor

from ilk.core import UserError
from ilk.data import Source
from ilk.method import RowSource
from ilk.method.items import image_views
from ilk.method.references import parts_in
from ilk.networks.weights import check_shapes
from ilk.train.guard.guard import turns_in
from ilk.train.images import with_marks
from ilk.train.loop.step import KinRecord, Step
from ilk.train.records.legs import length_in
from ilk.train.records.record import read_record, recorded_settings
from ilk.train.records.seal import read_checkpoint
from ilk.train.run import CHECKPOINT
from ilk.train.setup import Setup
from ilk.train.start import kept
from ilk.views import mosaic

LARGEST_BATCH = 256  # candidates enough, and light on any machine


@dataclass(frozen=True, slots=True)
class StepPreview:
    """A batch as the run's terms would see it next.

    Args:
        kin_records: one for each term: its rows, and which pairs of them are kin.
        items: of the batch, in its order; those of the run's own data are as they are, those of
            other images follow them.
        first: item of the first image, above 0 when the run learned from others.
        views: pixels of all views, clean and mixed, by name; of a view that is made of labelled
            or of unlabelled images alone, of these.
        labels: of all items, -1 where unknown.
        statistics: mean and deviation of each channel that pixels were normalised by.
        counts: how many rows each entry of a term has: one for an image, or one for each of its
            places.
    """

    kin_records: tuple[KinRecord, ...]
    items: Int[np.ndarray, " B"]
    first: int
    views: dict[str, UInt8[np.ndarray, "_ _ _ C"]]
    labels: Int[Tensor, " N"]
    statistics: tuple[tuple[float, ...], tuple[float, ...]]
    counts: Mapping[RowSource, int]


@runtime_checkable
class _PerItem(Protocol):
    """A memory with an entry for each item of the data, or a rule by which it is a class."""

    items: int


def preview_step(directory: Path, images: Source) -> StepPreview:
    """Show a run a batch of images; nothing of the run is changed.

    Args:
        directory: of a run that has a checkpoint.
        images: of which a batch is shown, by all views of the method, mixes included.

    Raises:
        UserError: there is no run, or it cannot be shown these images.
    """
    record = read_record(directory)
    settings = recorded_settings(record)
    images = with_marks(settings, images)
    size = min(settings.batch_size or LARGEST_BATCH, LARGEST_BATCH, len(images))
    settings = replace(settings, batch_size=size, accumulate=1, knn_every=0, compile=False)
    length = length_in(record)
    setup = Setup(
        settings, images, length=length, start=kept(settings, directory),
        restored=True, sampled=False,
    )  # fmt: skip
    image_views(setup.method, "kin")
    own = images.fingerprint == record["data"]["fingerprint"]
    first = 0 if own else record["data"]["items"]
    if not own:
        _check_items(setup)
    step = _restored(setup, directory, record)
    unseen = torch.full((first,), -1)
    labels = torch.cat([unseen, setup.labels])
    trainer = setup.trainer
    for name, values in trainer.facts.items():
        trainer.reveal(name, torch.cat([unseen.to(values), values]))
    batches = setup.loader.batches(step, step + 1)
    batch = next(batches)
    batches.close()
    shifted = {name: items + first for name, items in batch.subsets.items()}
    batch = replace(batch, items=batch.items + first, subsets=shifted)
    progress = length.progress(min(step, length.steps - 1))
    trainer.settle(step)
    with torch.no_grad():
        shown, _ = trainer._view_maker(
            batch, epoch=int(progress.epoch), step=trainer.step, clock=trainer.clock
        )
        context = trainer._look(batch, progress, first=False)
        for term in trainer.method.terms:
            context.loss(term)
        counts = _counts(context)
    return StepPreview(
        tuple(context.kin_records),
        batch.items,
        first,
        {name: _pixels(images, setup.statistics) for name, images in shown.items()},
        labels,
        setup.statistics,
        counts,
    )


def _counts(context: Step) -> dict[RowSource, int]:
    terms = [record.term for record in context.kin_records]
    entries = {entry for term in terms for entry in (*term.queries, *term.row_sources)}
    return {entry: len(context.source_rows(entry)) for entry in entries}


def _restored(setup: Setup, directory: Path, record: dict[str, Any]) -> int:
    """Put the networks and memories of the checkpoint back, and tell its step."""
    path = directory / CHECKPOINT
    tensors, facts = read_checkpoint(path, record)
    state = {name: t for name, t in tensors.items() if not name.startswith("optimiser.")}
    check_shapes(state, setup.trainer.shapes(), f"checkpoint: {path}")
    setup.trainer.load_state(state)
    setup.trainer.step = facts["step"]
    if "guard" in facts:
        for turn in turns_in(facts["guard"], f"checkpoint: {path}: guard"):
            setup.trainer.settle.put_back(turn["step"], turn["to"])
    return setup.trainer.step


def _check_items(setup: Setup) -> None:
    """What has a row for each item knows the run's own images alone."""
    parts = [*setup.method.memory.values(), *parts_in([t.kin for t in setup.method.terms])]
    if any(isinstance(part, _PerItem) for part in parts):
        raise UserError(
            "kin: this method remembers every image, and must be given those that the run "
            f"learned from, got {setup.source.name}"
        )


def _pixels(
    images: Float[Tensor, "B ..."], statistics: tuple[tuple[float, ...], tuple[float, ...]]
) -> UInt8[np.ndarray, "B H W C"]:
    """Pixels as they were before they were normalised; tiles side by side."""
    images = mosaic(images) if images.ndim == 5 else images
    mean, std = (torch.tensor(s, device=images.device).view(1, -1, 1, 1) for s in statistics)
    shown = ((images * std + mean) * 255).round().clamp(0, 255).to(torch.uint8)
    return shown.permute(0, 2, 3, 1).cpu().numpy()
