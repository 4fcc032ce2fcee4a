"""The papers' linear protocol: SGD on crops. Axes: B images, N items, M of them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Int64
from torch import Tensor, nn

from ilk.data import Source
from ilk.embedding import moved
from ilk.evaluate.protocols.blocks import features_of
from ilk.evaluate.protocols.heldout import held_out
from ilk.evaluate.protocols.images import Order, in_order, view_batches
from ilk.evaluate.protocols.protocol import Images, Measured, Task, top1
from ilk.evaluate.protocols.sgd_heads import epochs_of, fit_heads
from ilk.views import Plain, View, normalise, weak

BASE_BATCH = 256


@dataclass(frozen=True, kw_only=True, slots=True)
class AugmentedLinear:
    """A linear classifier trained by SGD on random crops and flips of train.

    The protocol of MoCo v3 (Chen et al., ICCV 2021, https://arxiv.org/abs/2104.02057) and DINO
    (Caron et al., ICCV 2021, https://arxiv.org/abs/2104.14294): backbone frozen and in
    evaluation mode, momentum, no weight decay, half a cosine to zero. Both papers sweep the
    learning rate; here all are trained at once on one pass of the backbone, without the
    held-out part of train, the most accurate one there is trained again on all of train, and
    that one classifies test. Equal accuracies choose the smaller.

    Args:
        lrs: candidates for the peak, for 256 images a batch, ascending.
        momentum: of SGD.
        epochs: of each of the two trainings.
        batch_size: of both.
        min_scale: smallest share of an image's area that is cropped.
        blocks: whose features are read, see ``features_of``.
        held_out: share of every class of train that the learning rate is chosen on.
    """

    lrs: tuple[float, ...]
    momentum: float
    epochs: int
    batch_size: int
    min_scale: float
    blocks: int
    held_out: float

    def measure(self, task: Task) -> Measured:
        """Sweep, choose, train on all of train, classify the test items."""
        images = task.images
        assert images is not None
        assert images.train is not None
        aside = held_out(task.train.labels, self.held_out, task.seed).numpy()
        fitted, asked = np.flatnonzero(~aside), np.flatnonzero(aside)
        everything = np.arange(len(aside))
        total = sum(self._steps(part) for part in (fitted, everything))
        chosen, selected_on = self.lrs[len(self.lrs) // 2], "nothing: one item in every class"
        with moved(images.encoder.module, images.device) as place:
            work = _Work(task, images, images.train, self.blocks, place)
            done = 0
            if len(asked):
                heads = self._fit(work, fitted, self.lrs, done, total)
                done = self._steps(fitted)
                rights = work.correct(heads, images.train, task.train.labels, asked)
                scores = [right.double().mean().item() for right in rights]
                chosen = self.lrs[scores.index(max(scores))]
                selected_on = f"{len(asked)} held-out train items, accuracy {max(scores):.4f}"
            (head,) = self._fit(work, everything, (chosen,), done, total)
            place_of = np.arange(len(task.test))
            (right,) = work.correct([head], images.test, task.test.labels, place_of)
        return top1(right, {"lr": chosen}, selected_on)

    def _steps(self, items: Int64[np.ndarray, " N"]) -> int:
        return self.epochs * -(-len(items) // self.batch_size)

    def _fit(
        self,
        work: "_Work",
        items: Int64[np.ndarray, " N"],
        lrs: Sequence[float],
        done: int,
        total: int,
    ) -> list[nn.Linear]:
        order = epochs_of(
            items, epochs=self.epochs, batch_size=self.batch_size, seed=work.task.seed
        )
        encoder = work.images.encoder
        crops = weak(encoder.image_size, self.min_scale, name="linear-aug")
        return fit_heads(
            work.features(work.train, crops, order, work.task.train.labels),
            lrs=[lr * self.batch_size / BASE_BATCH for lr in lrs],
            classes=len(work.task.classes),
            momentum=self.momentum,
            steps=self._steps(items),
            tell=lambda step: work.task.tell(done + step, total),
        )


@dataclass(frozen=True, slots=True)
class _Work:
    """A task on a device."""

    task: Task
    images: Images
    train: Source
    blocks: int
    place: torch.device

    def features(
        self,
        source: Source,
        view: View | Plain,
        order: "Iterator[tuple[int, Order]] | list[tuple[int, Order]]",
        labels: Int64[Tensor, " N"],
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """Features and classes of batches of a source."""
        encoder = self.images.encoder
        read = features_of(encoder, self.blocks)
        for items, views in view_batches(
            source, view, order,
            channels=encoder.channels, seed=self.task.seed, workers=self.images.workers,
        ):  # fmt: skip
            pixels = normalise(views.to(self.place), encoder.mean, encoder.std)
            yield read(pixels), labels[torch.from_numpy(items)].to(self.place)

    @torch.no_grad()
    def correct(
        self,
        heads: Sequence[nn.Linear],
        source: Source,
        labels: Int64[Tensor, " N"],
        items: Int64[np.ndarray, " M"],
    ) -> list[Bool[Tensor, " M"]]:
        """Whether each head classifies the items correctly, without augmentation."""
        order = [
            (0, items[places]) for _, places in in_order(len(items), self.images.batch_size)
        ]
        plain = Plain(size=self.images.encoder.image_size)
        rights: list[list[Tensor]] = [[] for _ in heads]
        for features, classes in self.features(source, plain, order, labels):
            for head, right in zip(heads, rights, strict=True):
                right.append((head(features).argmax(1) == classes).cpu())
        return [torch.cat(right) for right in rights]
