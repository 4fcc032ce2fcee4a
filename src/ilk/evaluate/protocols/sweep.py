"""Heads by SGD on crops, at the best of several learning rates.

Axes: B images, N items, M of them.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Int64
from torch import Tensor, nn

from ilk.data import Source
from ilk.embedding import moved
from ilk.evaluate.protocols.heldout import held_out
from ilk.evaluate.protocols.images import Order, in_order, view_batches
from ilk.evaluate.protocols.protocol import Images, Measured, Task, top1
from ilk.evaluate.protocols.sgd_heads import Kind, epochs_of, fit_heads
from ilk.views import Plain, View, normalise, weak

BASE_BATCH = 256


@dataclass(frozen=True, kw_only=True, slots=True)
class Recipe:
    """How long heads learn, and from what.

    Args:
        lrs: candidates for the peak, for 256 images a batch, ascending.
        epochs: of each of the two trainings.
        batch_size: of both.
        min_scale: smallest share of an image's area that is cropped.
        held_out: share of every class of train that the learning rate is chosen on.
    """

    lrs: tuple[float, ...]
    epochs: int
    batch_size: int
    min_scale: float
    held_out: float


def swept(task: Task, recipe: Recipe, kind: Kind, read: Callable[[Tensor], Tensor]) -> Measured:
    """Train at all rates at once, choose one, train on all of train, classify the test items.

    Args:
        task: with images.
        recipe: of both trainings.
        kind: of head.
        read: what the head is given of normalised images, without gradient.
    """
    images = task.images
    assert images is not None
    assert images.train is not None
    aside = held_out(task.train.labels, recipe.held_out, task.seed).numpy()
    fitted, asked = np.flatnonzero(~aside), np.flatnonzero(aside)
    everything = np.arange(len(aside))
    total = sum(steps_of(recipe, part) for part in (fitted, everything))
    chosen, selected_on = recipe.lrs[len(recipe.lrs) // 2], "nothing: one item in every class"
    with moved(images.encoder.module, images.device) as place:
        work = _Work(task, images, images.train, recipe, kind, read, place)
        done = 0
        if len(asked):
            heads = work.fit(fitted, recipe.lrs, done, total)
            done = steps_of(recipe, fitted)
            rights = work.correct(heads, images.train, task.train.labels, asked)
            scores = [right.double().mean().item() for right in rights]
            chosen = recipe.lrs[scores.index(max(scores))]
            selected_on = f"{len(asked)} held-out train items, accuracy {max(scores):.4f}"
        (head,) = work.fit(everything, (chosen,), done, total)
        place_of = np.arange(len(task.test))
        (right,) = work.correct([head], images.test, task.test.labels, place_of)
    return top1(right, {"lr": chosen}, selected_on)


def steps_of(recipe: Recipe, items: Int64[np.ndarray, " N"]) -> int:
    """Steps of a training on some items."""
    return recipe.epochs * -(-len(items) // recipe.batch_size)


@dataclass(frozen=True, slots=True)
class _Work:
    """A task on a device."""

    task: Task
    images: Images
    train: Source
    recipe: Recipe
    kind: Kind
    read: Callable[[Tensor], Tensor]
    place: torch.device

    def fit(
        self, items: Int64[np.ndarray, " N"], lrs: Sequence[float], done: int, total: int
    ) -> list[nn.Module]:
        """Train a head for each learning rate on items of train."""
        recipe, encoder = self.recipe, self.images.encoder
        order = epochs_of(
            items, epochs=recipe.epochs, batch_size=recipe.batch_size, seed=self.task.seed
        )
        # the name of the view draws its chance, and must not change
        crops = weak(encoder.image_size, recipe.min_scale, name="linear-aug")
        return fit_heads(
            self.features(self.train, crops, order, self.task.train.labels),
            self.kind,
            lrs=[lr * recipe.batch_size / BASE_BATCH for lr in lrs],
            classes=len(self.task.classes),
            steps=steps_of(recipe, items),
            tell=lambda step: self.task.tell(done + step, total),
        )

    def features(
        self,
        source: Source,
        view: View | Plain,
        order: "Iterator[tuple[int, Order]] | list[tuple[int, Order]]",
        labels: Int64[Tensor, " N"],
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """Features and classes of batches of a source."""
        encoder = self.images.encoder
        for items, views in view_batches(
            source, view, order,
            channels=encoder.channels, seed=self.task.seed, workers=self.images.workers,
        ):  # fmt: skip
            pixels = normalise(views.to(self.place), encoder.mean, encoder.std)
            yield self.read(pixels), labels[torch.from_numpy(items)].to(self.place)

    @torch.no_grad()
    def correct(
        self,
        heads: Sequence[nn.Module],
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
