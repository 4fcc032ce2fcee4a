"""Oracles of methods whose loss is a statistic of a batch. Axes: B images, D features."""

from collections.abc import Iterator

import torch
from torch import Tensor

from tests.oracles.parts import (
    Moves,
    Run,
    Step,
    adamw_on_matrices,
    lars,
    standard,
    unit,
    warm_cosine,
)

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


def w_mse(run: Run) -> Iterator[Tensor]:
    """Ermolov et al., ICML 2021, https://arxiv.org/abs/2007.06346, Eq. 3 to 6, of two views."""
    moves = Moves(run.student, adamw_on_matrices, decay=1e-6)
    for step in run.steps:
        a, b = (whitened_rows(run, step, view) for view in ("v1", "v2"))
        loss = torch.zeros(())
        for i in range(len(a)):
            loss = loss + (unit(a[i]) - unit(b[i])).square().sum() / len(a)
        moves(loss, warm_cosine(step, 2e-3, warmup=2.5))
        yield loss


def sdmp_on_w_mse(run: Run) -> Iterator[Tensor]:
    """Half of the weight on the first view's term, a quarter on each loss of the mixed view.

    Ren et al., CVPR 2022, Eq. 3 and 4: a mixed image is near each source by its share, and near
    a mixed image as far as the two are made of the same.
    """
    moves = Moves(run.student, adamw_on_matrices, decay=1e-6)
    for step in run.steps:
        rows = {v: whitened_rows(run, step, v) for v in ("v1", "v2", "v1~", "v2~")}
        made = {view: shares_of(step, view) for view in rows}
        loss = torch.zeros(())
        for weight, query, key in (
            (0.5, "v1", "v2"), (0.25, "v2~", "v1"), (0.25, "v2~", "v1~"),
        ):  # fmt: skip
            for i, mine in enumerate(made[query]):
                common = [overlap_of(mine, theirs) for theirs in made[key]]
                for j, share in enumerate(common):
                    apart = unit(rows[query][i]) - unit(rows[key][j])
                    part = share / sum(common) * apart.square().sum()
                    loss = loss + weight * part / len(made[query])
        moves(loss, warm_cosine(step, 2e-3, warmup=2.5))
        yield loss


def shares_of(step: Step, view: str) -> list[dict[int, float]]:
    """What each row of a view is made of."""
    items, shares = step.made_of[view]
    out = []
    for row, part in zip(items.tolist(), shares.tolist(), strict=True):
        made: dict[int, float] = {}
        for item, share in zip(row, part, strict=True):
            made[item] = made.get(item, 0.0) + share
        out.append(made)
    return out


def overlap_of(a: dict[int, float], b: dict[int, float]) -> float:
    """How much two rows have in common."""
    return sum(min(share, b.get(item, 0.0)) for item, share in a.items())


def whitened_rows(run: Run, step: Step, view: str) -> Tensor:
    """Projections of a view, whitened four rows at a time."""
    z = run.student.head(
        "projector", run.student.feature(step.views[view]), "linear norm relu linear"
    )
    parts = []
    for start in range(0, len(z), 4):
        part = z[start : start + 4]
        centred = part - part.mean(dim=0)
        (a, b), (_, c) = centred.T @ centred / 3
        # The lower triangle whose square is the covariance of two dimensions.
        first = a.sqrt()
        second = (c - b * b / a).sqrt()
        x = centred[:, 0] / first
        y = (centred[:, 1] - b / first * x) / second
        parts.append(torch.stack([x, y], dim=1))
    return torch.cat(parts)
