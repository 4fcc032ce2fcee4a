"""Oracles of methods of many crops. Axes: B images, N rows, K classes."""

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from tests.oracles.clusters import cluster
from tests.oracles.contrast import moco_projection
from tests.oracles.parts import (
    Moves,
    Net,
    Run,
    Step,
    adamw_on_matrices,
    cross_entropy,
    enqueue,
    half_cosine,
    keep,
    larc,
    mean,
    nearest,
    sgd,
    unit,
    warm_cosine,
)


def together(
    net: Net, step: Step, sizes: Sequence[Sequence[str]], layers: str
) -> dict[str, Tensor]:
    """Projections: the backbone sees crops of one size at once, the projector all of them."""
    features = [net.feature(torch.cat([step.views[n] for n in names])) for names in sizes]
    rows = net.head("projector", torch.cat(features), layers)
    order = [name for names in sizes for name in names]
    return dict(zip(order, rows.split([len(step.views[n]) for n in order]), strict=True))


def swav(run: Run) -> Iterator[Tensor]:
    """Caron et al., NeurIPS 2020, https://arxiv.org/abs/2006.09882, Eq. 1 to 3 and 6."""
    moves = Moves(run.student, larc, decay=1e-6)
    sizes = (("g1", "g2"), ("l1", "l2"))
    for step in run.steps:
        z = together(run.student, step, sizes, "linear norm relu affine")
        prototypes = unit(run.student["prototypes.weight"])
        scores = {name: unit(rows) @ prototypes.T for name, rows in z.items()}
        losses = []
        for code in ("g1", "g2"):
            q = sinkhorn(scores[code].detach())
            for name, rows in scores.items():
                if name != code:
                    losses += [cross_entropy(rows[i] / 0.1, q[i]) for i in range(len(q))]
        loss = mean(losses)
        peak = 0.3 * run.batch / 256
        lr = warm_cosine(step, peak, warmup=10, end=0.001 * peak)
        moves(loss, lr, still="prototypes" if step.number < 2 else "none")
        yield loss


def sinkhorn(scores: Tensor) -> Tensor:
    """Three rounds that give each prototype, then each row, the same sum."""
    q = (scores / 0.05).exp()
    for _ in range(3):
        q = q / q.sum(dim=0)
        q = q / q.sum(dim=1, keepdim=True)
    return q


def dino(run: Run) -> Iterator[Tensor]:
    """Caron et al., ICCV 2021, https://arxiv.org/abs/2104.14294, algorithm 1 and appendix."""
    moves = Moves(run.student, adamw_on_matrices, clip=3.0)
    sizes = (("g1", "g2"), ("l1", "l2", "l3", "l4"))
    centre = run.memory["centre.value"]
    for step in run.steps:
        s = dino_scores(run.student, step, sizes)
        t = dino_scores(run.teacher, step, sizes[:1])
        sharpness = 0.04 + 0.03 * min(step.epoch / 30, 1.0)
        losses = []
        for aim in ("g1", "g2"):
            targets = ((t[aim] - centre) / sharpness).softmax(dim=1)
            for name, rows in s.items():
                if name != aim:
                    losses += [
                        cross_entropy(rows[i] / 0.1, targets[i]) for i in range(len(rows))
                    ]
        loss = mean(losses)
        dino_moves(run, step, moves, loss, t)
        yield loss


def dino_scores(net: Net, step: Step, sizes: Sequence[Sequence[str]]) -> dict[str, Tensor]:
    """What the last, weight-normalised layer says of each crop."""
    z = together(net, step, sizes, "affine gelu affine gelu affine")
    directions = net["prototypes.scale"] * unit(net["prototypes.weight"])
    return {name: unit(rows) @ directions.T for name, rows in z.items()}


def dino_moves(
    run: Run, step: Step, moves: Moves, loss: Tensor, teacher: dict[str, Tensor]
) -> None:
    """Student, teacher and centre at the end of a step."""
    moves.decay = 0.4 - (0.4 - 0.04) * half_cosine(step.share)
    lr = warm_cosine(step, 5e-4 * run.batch / 256, warmup=10, end=1e-6)
    moves(loss, lr, still="prototypes" if step.epoch < 1 else "none")
    run.teacher.follow(run.student, 1 - (1 - 0.996) * half_cosine(step.share))
    seen = torch.cat([teacher["g1"], teacher["g2"]]).mean(dim=0)
    run.memory["centre.value"].copy_(0.9 * run.memory["centre.value"] + 0.1 * seen)


def deepcluster_v2(run: Run) -> Iterator[Tensor]:
    """Caron et al., NeurIPS 2020, https://arxiv.org/abs/2006.09882, appendix D.

    Three clusterings of what the large crops said during the last epoch, the first and the
    third of the first crop.
    """
    moves = Moves(run.student, larc, decay=1e-6)
    sizes = (("g1", "g2"), ("l1", "l2"))
    banks = {"clusters1": "bank-g1", "clusters2": "bank-g2", "clusters3": "bank-g1"}
    for step in run.steps:
        if step.begins_epoch:
            for number, (name, bank) in enumerate(banks.items()):
                cluster(run.memory, name, bank, step, number)
        z = together(run.student, step, sizes, "linear norm relu affine")
        losses = []
        for name in banks:
            centroids, labels = (
                run.memory[f"{name}.{part}"] for part in ("centroids", "labels")
            )
            for rows in z.values():
                for row, item in zip(unit(rows), step.items, strict=True):
                    losses.append(cross_entropy(centroids @ row / 0.1, int(labels[item])))
        loss = mean(losses)
        peak = 0.3 * run.batch / 256
        moves(loss, warm_cosine(step, peak, warmup=10, end=0.001 * peak))
        for crop in ("g1", "g2"):
            keep(run.memory, f"bank-{crop}", z[crop], step.items)
        yield loss


def revisiting(run: Run) -> Iterator[Tensor]:
    """Van Gansbeke et al., NeurIPS 2021, https://arxiv.org/abs/2106.05967, section 4.

    Beside MoCo's loss of every crop: the three past keys of other images whose backbone
    features are nearest to the crop's own, among all past keys.
    """
    moves = Moves(run.student, sgd, decay=1e-4)
    for step in run.steps:
        features = torch.cat(
            [
                run.student.feature(torch.cat([step.views[n] for n in names]))
                for names in (("large",), ("s1", "s2"))
            ]
        )
        q = unit(run.student.head("projector", features, "affine relu affine"))
        run.teacher.follow(run.student, 0.995)
        k = moco_projection(run.teacher, step.views["key"])
        f = run.teacher.feature(step.views["key"])
        queue, past = run.memory["queue.vectors"], run.memory["queue.sources"].tolist()
        own, near = [], []
        for row in range(len(q)):
            i = row % len(k)
            own.append(cross_entropy(torch.cat([k[i : i + 1], queue]) @ q[row] / 0.2, 0))
            others = [j for j, item in enumerate(past) if item not in (-1, step.items[i])]
            alike = run.memory["features.vectors"][others] @ unit(features[row].detach())
            found = [others[n] for n in nearest(alike, 3)]
            if found:
                target = torch.zeros(len(queue)).to(q)
                target[found] = 1 / len(found)
                near.append(cross_entropy(queue @ q[row] / 0.2, target))
        loss = mean(own) + (0.4 * mean(near) if near else 0.0)
        moves(loss, warm_cosine(step, 0.03 * run.batch / 256))
        enqueue(run.memory, "queue", k, step.items)
        enqueue(run.memory, "features", f, step.items)
        yield loss
