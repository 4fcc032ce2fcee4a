"""Oracles of methods that learn from a few labels. Axes: B images, K classes."""

import math
from collections.abc import Iterator

import torch
from torch import Tensor

from tests.laws.world import predictions
from tests.oracles.parts import (
    Moves,
    Run,
    Step,
    cross_entropy,
    mean,
    nesterov_on_matrices,
    warm_cosine,
)


def supervised(run: Run) -> Iterator[Tensor]:
    """The labelled part of FixMatch alone."""
    moves = Moves(run.student, nesterov_on_matrices, decay=5e-4)
    for step in run.steps:
        loss = _labelled(step, _scores(run, step.views["labelled"]))
        moves(loss, _falling(step, 0.12 * run.batch / 256))
        run.teacher.follow(run.student, 0.999)
        yield loss


def fixmatch(run: Run) -> Iterator[Tensor]:
    """Sohn et al., NeurIPS 2020, https://arxiv.org/abs/2001.07685, Eq. 3 and 4.

    Batch norm sees all rows at once; gradients flow through its statistics to weak rows too.
    """
    moves, chosen = Moves(run.student, nesterov_on_matrices, decay=5e-4), []
    for step in run.steps:
        names = ("labelled", "weak", "strong")
        counts = [len(step.views[name]) for name in names]
        rows = _scores(run, torch.cat([step.views[name] for name in names]))
        labelled, weak, strong = rows.split(counts)
        losses = []
        for sure, row in zip(weak.detach().softmax(dim=1), strong, strict=True):
            best = int(sure.argmax())
            losses.append(cross_entropy(row, best) * float(sure[best] >= 0.31))
        chosen += [loss.item() > 0 for loss in losses]
        loss = _labelled(step, labelled) + mean(losses)
        moves(loss, _falling(step, 0.015 * run.batch / 256))
        run.teacher.follow(run.student, 0.999)
        yield loss
    assert 0 < sum(chosen) < len(chosen), "some rows must be sure, and not all"


def noisy_student(run: Run) -> Iterator[Tensor]:
    """Xie et al., CVPR 2020, https://arxiv.org/abs/1911.04252, algorithm 1, one student.

    The loss is the mean over labelled and other images, were there three others for each.
    """
    moves = Moves(run.student, nesterov_on_matrices, decay=1e-4)
    predicted = predictions(torch.tensor(run.steps[0].labels)).shares
    for step in run.steps:
        images = torch.cat([step.views["labelled"], step.views["unlabelled"]])
        known, rows = _scores(run, images).split(list(map(len, step.views.values())))
        others = [item for item in step.items if step.labels[item] < 0]
        soft = [torch.from_numpy(predicted[item]).double() for item in others]
        losses = (
            cross_entropy(row, given / given.sum())
            for row, given in zip(rows, soft, strict=True)
        )
        loss = (_labelled(step, known) + 3 * mean(losses)) / 4
        moves(loss, warm_cosine(step, 0.01 * run.batch / 256, warmup=5))
        run.teacher.follow(run.student, 0.99)
        yield loss


def _scores(run: Run, images: Tensor) -> Tensor:
    net = run.student
    return net.feature(images) @ net["classifier.weight"].T + net["classifier.bias"]


def _labelled(step: Step, scores: Tensor) -> Tensor:
    known = [step.labels[item] for item in step.items if step.labels[item] >= 0]
    return mean(cross_entropy(row, label) for row, label in zip(scores, known, strict=True))


def _falling(step: Step, peak: float) -> float:
    """``peak cos(7 pi k / 16 K)``."""
    return peak * math.cos(7 * math.pi * step.number / (16 * step.steps))
