"""What each pixel shows, from the features of places.

Axes: N images, S side of the view, F features, H W places, M patches, C classes.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Float32, Int64
from torch import Tensor

from ilk.core import UserError
from ilk.core.seeding import permutation
from ilk.embedding import nearest, votes
from ilk.evaluate.metrics.union import RESAMPLED, Areas, areas_of
from ilk.evaluate.protocols.logistic import Linear, fit_path
from ilk.evaluate.protocols.mapped import Patches, majority, maps_of, train_patches
from ilk.evaluate.protocols.mask_classes import Classes, classes_in
from ilk.evaluate.protocols.protocol import Measured, Task

Score = Callable[[Float32[Tensor, "M F"]], Float[Tensor, "M C"]]
SHOWN = 20  # classes that are listed at most


@dataclass(frozen=True, kw_only=True, slots=True)
class PatchNeighbours:
    """A patch shows what the nearest patches of train show; nothing is trained or chosen.

    Votes of the k nearest by cosine, weighed by exp(cosine / temperature), are interpolated
    between places; the largest names a pixel. After Balazevic et al., NeurIPS 2023,
    https://arxiv.org/abs/2306.01667, with the weights of ``knn@1``.

    Args:
        patches: of train that are held at most, equally many of each image.
        neighbours: k.
        temperature: of the vote.
    """

    patches: int
    neighbours: int
    temperature: float

    def measure(self, task: Task) -> Measured:
        """Let patches of train name the pixels of test."""
        known, classes = _known(task, self.patches)
        labels = classes.numbers(known.values)

        def score(rows: Float32[Tensor, "M F"]) -> Float[Tensor, "M C"]:
            places, cosines = nearest(rows, known.vectors, self.neighbours)
            found = votes(
                labels[places], cosines,
                temperature=self.temperature, classes=len(classes.values),
            )  # fmt: skip
            return found / found.sum(1, keepdim=True)

        k = min(self.neighbours, len(labels))
        return _measured(task, classes, score, known, ({"k": k}, "nothing"))


@dataclass(frozen=True, kw_only=True, slots=True)
class SegmentLinear:
    """A linear classifier of patches, whose log-odds are interpolated between places.

    The linear evaluation of DINOv2, Oquab et al., TMLR 2024, https://arxiv.org/abs/2304.07193,
    section 7.4, fitted by logistic regression on patches, each of the class of most of its
    pixels. The strength is chosen by mean IoU of patches on train images held out, and the
    classifier fitted again on all; equal ones choose the stronger.

    Args:
        patches: of train that are held at most, equally many of each image.
        strengths: candidates for lambda, from strong to weak: see ``fit_path``.
        tolerance: of each fit.
        most_steps: of each fit.
        held_out: share of train images that lambda is chosen on.
    """

    patches: int
    strengths: tuple[float, ...]
    tolerance: float
    most_steps: int
    held_out: float

    def measure(self, task: Task) -> Measured:
        """Choose the strength, fit on all patches of train, name the pixels of test."""
        known, classes = _known(task, self.patches)
        images = np.unique(known.items)
        aside = permutation(task.seed, 0, len(images))[: round(self.held_out * len(images))]
        away = np.isin(known.items, images[aside])
        chosen = self.strengths[len(self.strengths) // 2]
        selected_on = "nothing: too few images to hold one out"
        if away.any() and len(np.unique(known.values[~away])) > 1:
            fits = self._fit(known.where(~away), classes, self.strengths)
            asked = known.where(away)
            scores = [_patch_iou(fit, asked, classes) for fit in fits]
            chosen = self.strengths[scores.index(max(scores))]
            selected_on = (
                f"{len(aside)} held-out train images, mean IoU of patches {max(scores):.4f}"
            )
        (final,) = self._fit(known, classes, (chosen,))
        choice = {"strength": chosen}, selected_on
        return _measured(task, classes, final.logits, known, choice)

    def _fit(
        self, known: Patches, classes: Classes, strengths: tuple[float, ...]
    ) -> list[Linear]:
        return fit_path(
            known.vectors, classes.numbers(known.values), classes=len(classes.values),
            strengths=strengths, tolerance=self.tolerance, most_steps=self.most_steps,
        )  # fmt: skip


def _known(task: Task, most: int) -> tuple[Patches, Classes]:
    """Patches of train that are of a class, and the classes."""
    found = train_patches(task, most)
    classes = classes_in(found.present)
    found = found.where(classes.numbers(found.values).numpy() >= 0)
    if len(np.unique(found.values)) < 2:
        raise UserError(
            "evaluate: patches of train must be of two classes or more, but of all "
            f"{len(found.values):,} that were drawn most pixels are of one; give more images"
        )
    return found, classes


def _patch_iou(fit: Linear, asked: Patches, classes: Classes) -> float:
    truth = classes.numbers(asked.values)
    areas = areas_of([(fit.predict(asked.vectors), truth)], len(classes.values))
    return float(np.nanmean(areas.unions()))


def _measured(
    task: Task, classes: Classes, score: Score, known: Patches,
    choice: tuple[dict[str, float], str],
) -> Measured:  # fmt: skip
    """Mean IoU over the classes of test, of all pixels of its views that are of a class."""
    images = task.images
    assert images is not None
    assert images.test_masks is not None
    order = np.arange(len(images.test))
    parts: list[Areas] = []
    right: list[Tensor] = []
    for batch in maps_of(task, images.test, images.test_masks, order):
        classes.check(np.unique(batch.masks))
        count, _, rows, columns = batch.places.shape
        scores = score(batch.places.permute(0, 2, 3, 1).flatten(0, 2)).float()
        cells = classes.numbers(majority(batch.masks, (rows, columns))).flatten()
        right.append((scores.argmax(1) == cells)[cells >= 0])
        places = scores.unflatten(0, (count, rows, columns)).permute(0, 3, 1, 2)
        named = (_named(one, mask.shape) for one, mask in zip(places, batch.masks, strict=True))
        pixels = zip(named, classes.numbers(batch.masks), strict=True)
        parts.append(areas_of(pixels, len(classes.values)))
        task.tell(int(batch.items[-1]) + 1, len(order))
    areas = Areas.cat(parts)
    _several(areas, classes)
    value = float(np.nanmean(areas.unions()))
    interval = areas.interval(task.seed)
    return Measured(
        metric="mean IoU",
        value=value,
        interval=interval,
        interval_kind=RESAMPLED if interval else "none: a single image says nothing of others",
        selected=choice[0],
        selected_on=choice[1],
        scores=None,
        details=_details(areas, classes, torch.cat(right), known),
    )


def _several(areas: Areas, classes: Classes) -> None:
    """Refuse masks of test with one class: an answer that names no other would be all right."""
    names = [
        name for name, true in zip(classes.names(), areas.true.sum(0), strict=True) if true
    ]
    if len(names) < 2:
        raise UserError(
            "evaluate: masks of test must show two classes or more, got "
            f"{names[0] if names else 'no pixel of any class'} only; add test images of another"
        )


def _named(scores: Float[Tensor, "C H W"], size: tuple[int, ...]) -> Int64[Tensor, "S S"]:
    """The class of each pixel; image by image, since a batch would take gigabytes."""
    large = F.interpolate(scores[None], size, mode="bilinear", align_corners=False)
    return large[0].argmax(0)


def _details(
    areas: Areas, classes: Classes, right: Tensor, known: Patches
) -> dict[str, object]:
    """By class, and in words what was counted."""
    names, unions, true = classes.names(), areas.unions(), areas.true.sum(0)
    there = [place for place in range(len(names)) if true[place]]
    counts = torch.bincount(classes.numbers(known.values), minlength=len(names)).tolist()
    accuracy = float(right.double().mean())
    listed = ", ".join(f"{names[c]} {unions[c]:.1%}" for c in there[:SHOWN])
    more = f" and {len(there) - SHOWN} more" if len(there) > SHOWN else ""
    ignored = "; pixels of the value 255 are not counted" if classes.ignored else ""
    lacking = [name for name, number in zip(names, counts, strict=True) if not number]
    words = [
        f"{len(there)} classes in the masks of test: IoU of {listed}{more}{ignored}",
        f"{len(known.values):,} patches of {len(np.unique(known.items)):,} train images were "
        f"used; {accuracy:.1%} of test patches are named correctly",
    ]
    if lacking:
        words.append(f"no patch of train is mostly of {', '.join(lacking[:SHOWN])}")
    return {
        "iou by class": {names[c]: float(unions[c]) for c in there},
        "patch_accuracy": accuracy,
        "patches by class": dict(zip(names, counts, strict=True)),
        "in words": words,
    }
