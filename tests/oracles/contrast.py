"""Oracles of methods that contrast a view with a batch or a queue. Axes: B images."""

import math
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from tests.oracles.parts import (
    Moves,
    Net,
    Run,
    Step,
    adamw,
    cross_entropy,
    enqueue,
    half_cosine,
    lars,
    mean,
    nearest,
    sgd,
    sgd_on_matrices,
    unit,
    warm_cosine,
)


def simclr(run: Run) -> Iterator[Tensor]:
    """Chen et al., ICML 2020, https://arxiv.org/abs/2002.05709, Eq. 1 and algorithm 1."""
    moves = Moves(run.student, lars, decay=1e-6)
    for step in run.steps:
        z = torch.cat([*simclr_projection(run.student, step, ("a", "b")).values()])
        count = len(step.items)
        losses = []
        for i in range(2 * count):
            others = [(i + count) % (2 * count)]
            others += [j for j in range(2 * count) if j not in (i, others[0])]
            losses.append(cross_entropy(z[others] @ z[i] / 0.1, 0))
        loss = mean(losses)
        moves(loss, warm_cosine(step, 0.3 * run.batch / 256, warmup=10))
        yield loss


def dcl(run: Run, sigma: float | None = None) -> Iterator[Tensor]:
    """Yeh et al., ECCV 2022, https://arxiv.org/abs/2110.06848, Eq. 6; with a sigma Eq. 8."""
    moves = Moves(run.student, lars, decay=1e-6)
    for step in run.steps:
        z = torch.cat([*simclr_projection(run.student, step, ("a", "b")).values()])
        count = len(step.items)
        near = [float((z[i] @ z[i + count]).detach()) for i in range(count)]
        heights = [math.exp(cosine / sigma) if sigma else 1.0 for cosine in near]
        losses = []
        for i in range(2 * count):
            mate = (i + count) % (2 * count)
            others = [j for j in range(2 * count) if j not in (i, mate)]
            weight = 2 - heights[i % count] * count / sum(heights)
            push = (z[others] @ z[i] / 0.1).exp().sum().log()
            losses.append(push - weight * (z[mate] @ z[i]) / 0.1)
        loss = mean(losses)
        moves(loss, warm_cosine(step, 0.3 * run.batch / 256, warmup=10))
        yield loss


def dclw(run: Run) -> Iterator[Tensor]:
    """The same with weights of positives."""
    return dcl(run, sigma=0.5)


def simclr_projection(net: Net, step: Step, views: Sequence[str]) -> dict[str, Tensor]:
    """Unit rows of views that share a pass, as in the authors' code."""
    feature = net.feature(torch.cat([step.views[view] for view in views]))
    z = unit(net.head("projector", feature, "linear norm relu linear scaled"))
    return dict(zip(views, z.split(len(z) // len(views)), strict=True))


def moco_v3(run: Run) -> Iterator[Tensor]:
    """Chen, Xie and He, ICCV 2021, https://arxiv.org/abs/2104.02057, Eq. 1 and algorithm 1."""
    moves = Moves(run.student, adamw, decay=0.1)
    for step in run.steps:
        q = {view: moco_v3_query(run.student, step.views[view]) for view in ("a", "b")}
        run.teacher.follow(run.student, moco_v3_momentum(step))
        k = {view: moco_v3_key(run.teacher, step.views[view]) for view in ("a", "b")}
        losses = [
            2 * 0.2 * cross_entropy(k[y] @ q[x][i] / 0.2, i)
            for x, y in (("a", "b"), ("b", "a"))
            for i in range(len(step.items))
        ]
        loss = 2 * mean(losses)
        moco_v3_move(run, step, moves, loss)
        yield loss


def moco_v3_for_resnets(run: Run) -> Iterator[Tensor]:
    """The same with the paper's recipe for ResNet-50: section 3 and appendix A.1.

    LARS, a temperature of one, a shorter projector, no norm at the end of the predictor.
    """
    moves = Moves(run.student, lars, decay=1e-6)
    layers = "linear norm relu linear plain"
    for step in run.steps:
        q, k = {}, {}
        for view in ("a", "b"):
            z = run.student.head("projector", run.student.feature(step.views[view]), layers)
            q[view] = unit(run.student.head("predictor", z, "linear norm relu linear"))
        run.teacher.follow(run.student, moco_v3_momentum(step))
        for view in ("a", "b"):
            feature = run.teacher.feature(step.views[view])
            k[view] = unit(run.teacher.head("projector", feature, layers))
        losses = [
            2 * cross_entropy(k[y] @ q[x][i], i)
            for x, y in (("a", "b"), ("b", "a"))
            for i in range(len(step.items))
        ]
        loss = 2 * mean(losses)
        moves(loss, warm_cosine(step, 0.3 * run.batch / 256, warmup=10))
        yield loss


def moco_v3_momentum(step: Step) -> float:
    """Share of the old teacher."""
    return 1 - (1 - 0.99) * half_cosine(step.share)


def moco_v3_move(run: Run, step: Step, moves: Moves, loss: Tensor) -> None:
    """One step of the student."""
    moves(loss, warm_cosine(step, 1.5e-4 * run.batch / 256, warmup=1))


def moco_v3_key(net: Net, images: Tensor) -> Tensor:
    """Unit rows of the projector."""
    layers = "linear norm relu linear norm relu linear plain"
    return unit(net.head("projector", net.feature(images), layers))


def moco_v3_query(net: Net, images: Tensor) -> Tensor:
    """Unit rows of the predictor."""
    layers = "linear norm relu linear norm relu linear plain"
    z = net.head("projector", net.feature(images), layers)
    return unit(net.head("predictor", z, "linear norm relu linear plain"))


def supcon(run: Run) -> Iterator[Tensor]:
    """Khosla et al., NeurIPS 2020, https://arxiv.org/abs/2004.11362, Eq. 2."""
    moves = Moves(run.student, lars, decay=1e-6)
    for step in run.steps:
        feature = run.student.feature(torch.cat([step.views["a"], step.views["b"]]))
        z = unit(run.student.head("projector", feature, "affine relu affine"))
        items = step.items * 2
        losses = []
        for i in range(len(z)):
            others = [j for j in range(len(z)) if j != i]
            label = step.labels[items[i]]
            same = [
                items[j] == items[i] or (label != -1 and step.labels[items[j]] == label)
                for j in others
            ]
            target = torch.tensor(same).to(z) / sum(same)
            losses.append(cross_entropy(z[others] @ z[i] / 0.1, target))
        loss = mean(losses)
        moves(loss, warm_cosine(step, 0.3 * run.batch / 256, warmup=10))
        yield loss


def moco_projection(net: Net, images: Tensor) -> Tensor:
    """Unit rows of MoCo v2's two-layer projector, which has no batch norm."""
    return unit(net.head("projector", net.feature(images), "affine relu affine"))


def moco_v2(run: Run) -> Iterator[Tensor]:
    """He et al., CVPR 2020, https://arxiv.org/abs/1911.05722, Eq. 1 and 2.

    With the head, temperature and cosine of Chen et al., https://arxiv.org/abs/2003.04297.
    """
    moves = Moves(run.student, sgd, decay=1e-4)
    for step in run.steps:
        q = moco_projection(run.student, step.views["a"])
        run.teacher.follow(run.student, 0.999)
        k = moco_projection(run.teacher, step.views["b"])
        queue = run.memory["queue.vectors"]
        losses = [
            cross_entropy(torch.cat([k[i : i + 1], queue]) @ q[i] / 0.2, 0)
            for i in range(len(q))
        ]
        loss = mean(losses)
        moves(loss, warm_cosine(step, 0.03 * run.batch / 256))
        enqueue(run.memory, "queue", k, step.items)
        yield loss


def nnclr(run: Run) -> Iterator[Tensor]:
    """Dwibedi et al., ICCV 2021, https://arxiv.org/abs/2104.14548, Eq. 4 and its mirror."""
    moves = Moves(run.student, lars, decay=1e-6)
    for step in run.steps:
        z, p = {}, {}
        for view in ("a", "b"):
            feature = run.student.feature(step.views[view])
            layers = "linear norm relu linear norm relu linear norm"
            z[view] = run.student.head("projector", feature, layers)
            p[view] = unit(run.student.head("predictor", z[view], "linear norm relu affine"))
        queue = run.memory["queue.vectors"]
        losses = []
        for x, y in (("a", "b"), ("b", "a")):
            n = queue[[nearest(queue @ row, 1)[0] for row in z[x].detach()]]
            for i in range(len(n)):
                losses.append(cross_entropy(p[y] @ n[i] / 0.1, i))
                losses.append(cross_entropy(n @ p[y][i] / 0.1, i))
        loss = mean(losses)
        moves(loss, warm_cosine(step, 0.3 * run.batch / 256, warmup=10))
        enqueue(run.memory, "queue", z["a"], step.items)
        yield loss


def ressl(run: Run) -> Iterator[Tensor]:
    """Zheng et al., NeurIPS 2021, https://arxiv.org/abs/2107.09282, Eq. 4 to 6."""
    moves = Moves(run.student, sgd_on_matrices, decay=1e-4)
    for step in run.steps:
        q = _ressl_projection(run.student, step.views["strong"])
        run.teacher.follow(run.student, 0.999)
        k = _ressl_projection(run.teacher, step.views["weak"])
        queue = run.memory["queue.vectors"]
        losses = [
            cross_entropy(queue @ q[i] / 0.1, (queue @ k[i] / 0.04).softmax(dim=0))
            for i in range(len(q))
        ]
        loss = mean(losses)
        moves(loss, warm_cosine(step, 0.05 * run.batch / 256, warmup=5))
        enqueue(run.memory, "queue", k, step.items)
        yield loss


def _ressl_projection(net: Net, images: Tensor) -> Tensor:
    return unit(net.head("projector", net.feature(images), "affine relu affine"))


def relic_v2(run: Run) -> Iterator[Tensor]:
    """Tomasev et al., 2022, https://arxiv.org/abs/2201.05119, section 3.

    Every crop against every large crop: the own target among three foreigners that are drawn,
    and the divergence from the relation seen from the other side. A small crop has no other
    side; the next large crop stands in for it.
    """
    moves = Moves(run.student, lars, decay=1e-6)
    large, small = ("g1", "g2"), ("l1",)
    layers = "linear norm relu affine"
    for step in run.steps:
        said, aims = {}, {}
        for names in (large, small):
            shown = torch.cat([step.views[name] for name in names])
            z = run.student.head("projector", run.student.feature(shown), layers)
            p = unit(run.student.head("predictor", z, layers))
            said |= dict(zip(names, p.split(len(step.items)), strict=True))
        shown = torch.cat([step.views[name] for name in large])
        z = unit(run.teacher.head("projector", run.teacher.feature(shown), layers))
        aims = dict(zip(large, z.split(len(step.items)), strict=True))
        drawn = step.foreigners(3)
        losses = []
        for q in (*large, *small):
            for k in large:
                other = "g2" if k == "g1" else "g1"
                by, to = (k, q) if q in large else (other, k)
                for i, negatives in enumerate(drawn):
                    among = [i, *negatives]
                    scores = aims[k][among] @ said[q][i] / 0.2
                    mirrored = (aims[to][among] @ said[by][i].detach() / 0.2).softmax(0)
                    relation = scores.softmax(0)
                    apart = (relation * (relation / mirrored).log()).sum()
                    losses.append(0.3 * cross_entropy(scores, 0) + 3.0 * apart)
        loss = mean(losses)
        moves(loss, warm_cosine(step, 0.3 * run.batch / 256, warmup=10))
        run.teacher.follow(run.student, 1 - (1 - 0.996) * half_cosine(step.share))
        yield loss
