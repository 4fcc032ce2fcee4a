"""Oracles of methods whose loss is a statistic of a batch. Axes: B images, D features."""

from collections.abc import Iterator

import torch
from torch import Tensor

from tests.oracles.parts import Moves, Run, lars, standard, warm_cosine

HIDDEN = "linear norm relu linear norm relu"


def barlow_twins(run: Run) -> Iterator[Tensor]:
    """Zbontar et al., ICML 2021, https://arxiv.org/abs/2103.03230, Eq. 1 and 2."""
    moves = Moves(run.student, lars, decay=1.5e-6)
    for step in run.steps:
        a, b = (
            run.student.head(
                "projector", run.student.feature(step.views[view]), f"{HIDDEN} linear"
            )
            for view in ("a", "b")
        )
        c = standard(a).T @ standard(b) / len(a)
        loss = torch.zeros(())
        for i in range(len(c)):
            for j in range(len(c)):
                loss = loss + ((1 - c[i, i]) ** 2 if i == j else 0.0051 * c[i, j] ** 2)
        loss = 0.024 * loss
        peak = 0.2 * run.batch / 256
        moves(loss, warm_cosine(step, peak, warmup=10, end=0.001 * peak))
        yield loss


def vicreg(run: Run) -> Iterator[Tensor]:
    """Bardes et al., ICLR 2022, https://arxiv.org/abs/2105.04906, Eq. 1 to 6.

    Terms are averaged as in algorithm 1 of its appendix.
    """
    moves = Moves(run.student, lars, decay=1e-6)
    for step in run.steps:
        a, b = (
            run.student.head(
                "projector", run.student.feature(step.views[view]), f"{HIDDEN} affine"
            )
            for view in ("a", "b")
        )
        loss = 25 * (a - b).square().mean()
        for z in (a, b):
            centred = z - z.mean(dim=0)
            covariance = centred.T @ centred / (len(z) - 1)
            spread = (covariance.diagonal() + 1e-4).sqrt()
            off = covariance - covariance.diagonal().diag()
            loss = loss + 25 * (1 - spread).relu().mean() / 2
            loss = loss + off.square().sum() / z.shape[1]
        peak = 0.2 * run.batch / 256
        moves(loss, warm_cosine(step, peak, warmup=10, end=0.001 * peak))
        yield loss
