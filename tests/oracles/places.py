"""Oracles of methods that compare places. Axes: B images, M = 16 places of each, D features."""

from collections.abc import Iterator

import torch
from torch import Tensor

from tests.oracles.parts import (
    Moves,
    Net,
    Run,
    Step,
    cross_entropy,
    enqueue,
    lars,
    mean,
    sgd,
    unit,
    warm_cosine,
)
from tests.oracles.pixels import embedded, transformer

MOCO = "affine relu affine"
VICREG = "linear norm relu linear norm relu affine"


def shown(net: Net, step: Step, view: str) -> tuple[Tensor, Tensor]:
    """The class token of each image [B, 16], and its patches [B, M, 16]."""
    tokens = [
        transformer(net, embedded(net, image), list(range(16))) for image in step.views[view]
    ]
    return torch.stack([t[0] for t in tokens]), torch.stack([t[1:] for t in tokens])


def densecl(run: Run) -> Iterator[Tensor]:
    """Wang et al., CVPR 2021, https://arxiv.org/abs/2011.09157, Eq. 1 to 4."""
    moves = Moves(run.student, sgd, decay=1e-4)
    for step in run.steps:
        feature, cells = shown(run.student, step, "a")
        q = unit(run.student.head("projector", feature, MOCO))
        r = unit(run.student.head("dense.head", cells, MOCO))
        run.teacher.follow(run.student, 0.999)
        with torch.no_grad():
            feature, others = shown(run.teacher, step, "b")
            k = unit(run.teacher.head("projector", feature, MOCO))
            made = run.teacher.head("dense.head", others, MOCO)
        whole, dense = [], []
        for i in range(len(q)):
            rows = torch.cat([k[i : i + 1], run.memory["queue.vectors"]])
            whole.append(cross_entropy(rows @ q[i] / 0.2, 0))
            for m in range(16):
                match = int((unit(others[i]) @ unit(cells[i, m])).argmax())
                rows = torch.cat([unit(made[i, match])[None], run.memory["pooled.vectors"]])
                dense.append(cross_entropy(rows @ r[i, m] / 0.2, 0))
        loss = 0.5 * mean(whole) + 0.5 * mean(dense)
        moves(loss, warm_cosine(step, 0.03 * run.batch / 256))
        enqueue(run.memory, "queue", k, step.items)
        enqueue(run.memory, "pooled", made.mean(dim=1), step.items)
        yield loss


def vicregl(run: Run) -> Iterator[Tensor]:
    """Bardes et al., NeurIPS 2022, https://arxiv.org/abs/2210.01571, section 3."""
    moves = Moves(run.student, lars, decay=1e-6)
    for step in run.steps:
        whole, local = {}, {}
        for view in ("a", "b"):
            feature, cells = shown(run.student, step, view)
            whole[view] = run.student.head("projector", feature, VICREG)
            rows = run.student.head("local_projector.head", cells.flatten(0, 1), VICREG)
            local[view] = rows.view(cells.shape[0], 16, -1)
        loss = 0.75 * criterion([(whole["a"], whole["b"])])
        for x, y in (("a", "b"), ("b", "a")):
            far = (local[x][:, :, None] - local[y][:, None]).square().sum(dim=3)
            loss = loss + 0.125 * criterion(matched(local[x], local[y], far, 16, sort=False))
            far = distances(step, x, y)
            loss = loss + 0.125 * criterion(matched(local[x], local[y], far, 6, sort=True))
        peak = 0.3 * run.batch / 256
        moves(loss, warm_cosine(step, peak, warmup=10, end=0.001 * peak))
        yield loss


def matched(
    ours: Tensor, theirs: Tensor, far: Tensor, count: int, *, sort: bool
) -> list[tuple[Tensor, Tensor]]:
    """Of each number both sides of all images: places in their order, or the nearest first."""
    sides = []
    for image, table in enumerate(far):
        nearest = table.min(dim=1).values.tolist()
        chosen = sorted(range(16), key=nearest.__getitem__) if sort else range(16)
        sides.append(
            [(ours[image, m], theirs[image, int(table[m].argmin())]) for m in chosen[:count]]
        )
    return [
        (torch.stack([s[n][0] for s in sides]), torch.stack([s[n][1] for s in sides]))
        for n in range(count)
    ]


def distances(step: Step, x: str, y: str) -> Tensor:
    """Of middles of patches in the image, [B, M, M]."""
    tables = []
    for ours, theirs in zip(step.places[x], step.places[y], strict=True):
        rows = [
            [(a - c) ** 2 + (b - d) ** 2 for c, d in (middle(theirs, m) for m in range(16))]
            for a, b in (middle(ours, m) for m in range(16))
        ]
        tables.append(rows)
    return torch.tensor(tables)


def middle(edges: list[float], number: int) -> tuple[float, float]:
    """Of one of four times four patches of a crop, which may be mirrored."""
    top, left, bottom, right = edges
    row, column = divmod(number, 4)
    return (
        top + (bottom - top) * (row + 0.5) / 4,
        left + (right - left) * (column + 0.5) / 4,
    )


def criterion(groups: list[tuple[Tensor, Tensor]]) -> Tensor:
    """VICReg of rows; variances and covariances are of each group, and are averaged."""
    apart = mean([(a - b).square().mean() for a, b in groups])
    rest = []
    for pair in groups:
        for z in pair:
            centred = z - z.mean(dim=0)
            covariance = centred.T @ centred / (len(z) - 1)
            spread = (covariance.diagonal() + 1e-4).sqrt()
            off = covariance - covariance.diagonal().diag()
            rest.append(25 * (1 - spread).relu().mean() / 2 + off.square().sum() / z.shape[1])
    return 25 * apart + 2 * mean(rest)
