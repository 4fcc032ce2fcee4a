"""Oracles of methods that choose their negatives with care. Axes: B images, D features."""

from collections.abc import Iterator

import torch
from torch import Tensor

from tests.oracles.clusters import cluster, spherical_k_means
from tests.oracles.contrast import moco_projection
from tests.oracles.parts import (
    Moves,
    Run,
    Step,
    cross_entropy,
    enqueue,
    keep,
    lars,
    mean,
    nearest,
    sgd,
    unit,
    warm_cosine,
)


def fnc(run: Run) -> Iterator[Tensor]:
    """Huynh et al., WACV 2022, https://arxiv.org/abs/2011.11765, section 3.

    False negatives of an image are at most two past or present keys of other images whose
    cosine with any view of it exceeds 0.7; they are attracted. A view is no candidate of its
    own.
    """
    moves = Moves(run.student, lars, decay=1e-4)
    views = ("v1", "v2", "v3", "v4")
    layers = "linear norm relu linear norm relu linear scaled"
    for step in run.steps:
        count = len(step.items)
        shown = torch.cat([step.views[view] for view in views])
        q = unit(run.student.head("projector", run.student.feature(shown), layers))
        run.teacher.follow(run.student, 0.999)
        k = unit(run.teacher.head("projector", run.teacher.feature(shown), layers))
        c = torch.cat([k, run.memory["bank.vectors"]])
        items = [*step.items * len(views), *run.memory["bank.sources"].tolist()]
        losses = []
        for row in range(len(q)):
            item = step.items[row % count]
            support = k[row % count :: count]
            alike = (c @ support.T).amax(dim=1)
            strangers = [j for j in range(len(c)) if items[j] != item and alike[j] > 0.7]
            found = [strangers[n] for n in nearest(alike[strangers], 2)]
            own = [j for j in range(len(c)) if items[j] == item and j != row]
            target = torch.zeros(len(c)).to(q)
            target[own + found] = 1 / len(own + found)
            others = [j for j in range(len(c)) if j != row]
            losses.append(cross_entropy(c[others] @ q[row] / 0.1, target[others]))
        loss = 2 * mean(losses)
        moves(loss, warm_cosine(step, 0.1 * run.batch**0.5, warmup=10))
        enqueue(run.memory, "bank", k, items[: len(q)])
        yield loss


def ifnd(run: Run) -> Iterator[Tensor]:
    """Chen et al., ICLR 2022, https://arxiv.org/abs/2106.03719, section 3.

    Past keys of the query's cluster take no part, if both clusters are among those that are
    believed: none at first, all at the end. Past keys of the own image are positives.
    """
    moves = Moves(run.student, sgd, decay=1e-4)
    levels = ("clusters3", "clusters5")
    for step in run.steps:
        for name in levels:
            if step.begins_epoch:
                cluster(run.memory, name, "bank", step)
        q = moco_projection(run.student, step.views["a"])
        run.teacher.follow(run.student, 0.999)
        k = moco_projection(run.teacher, step.views["b"])
        past = run.memory["queue.sources"].tolist()
        losses = []
        for name in levels:
            labels, doubt = (run.memory[f"{name}.{what}"] for what in ("labels", "doubt"))
            believed = [
                label if unsure < step.share else -1
                for label, unsure in zip(labels.tolist(), doubt.tolist(), strict=True)
            ]
            for i, item in enumerate(step.items):
                own = [j for j, other in enumerate(past) if other == item]
                negatives = [
                    j
                    for j, other in enumerate(past)
                    if other == -1
                    or (other != item and not (believed[item] == believed[other] != -1))
                ]
                c = torch.cat([k[i : i + 1], run.memory["queue.vectors"][own + negatives]])
                target = torch.zeros(len(c)).to(q)
                target[: 1 + len(own)] = 1 / (1 + len(own))
                losses.append(cross_entropy(c @ q[i] / 0.2, target))
        loss = mean(losses)
        moves(loss, warm_cosine(step, 0.03 * run.batch / 256))
        enqueue(run.memory, "queue", k, step.items)
        keep(run.memory, "bank", k, step.items)
        yield loss


def mochi(run: Run) -> Iterator[Tensor]:
    """Kalantidis et al., NeurIPS 2020, https://arxiv.org/abs/2010.01028, Eq. 4 and 6."""
    moves = Moves(run.student, sgd, decay=1e-4)
    for step in run.steps:
        q = moco_projection(run.student, step.views["a"])
        run.teacher.follow(run.student, 0.999)
        k = moco_projection(run.teacher, step.views["b"])
        queue = run.memory["queue.vectors"]
        losses = []
        for i in range(len(q)):
            c = torch.cat([k[i : i + 1], queue])
            if step.epoch >= 0.5:
                hard = queue[nearest(queue @ q[i].detach(), 6)]
                c = torch.cat([c, _mixes(q[i].detach(), hard, step, i)])
            losses.append(cross_entropy(c @ q[i] / 0.2, 0))
        loss = mean(losses)
        moves(loss, warm_cosine(step, 0.03 * run.batch / 256))
        enqueue(run.memory, "queue", k, step.items)
        yield loss


def _mixes(query: Tensor, hard: Tensor, step: Step, row: int) -> Tensor:
    """Four mixes of two of the hardest, then three of the query and one of the hardest."""
    first, second, share = step.mixes(row, 7)
    made = []
    for n in range(7):
        other = hard[int(second[n] * len(hard))]
        if n < 4:
            mixed = share[n] * hard[int(first[n] * len(hard))] + (1 - share[n]) * other
        else:
            mixed = share[n] / 2 * query + (1 - share[n] / 2) * other
        made.append(unit(mixed))
    return torch.stack(made)


def interclr(run: Run) -> Iterator[Tensor]:
    """Xie et al., IJCV 2022, https://arxiv.org/abs/2008.11702, section 3.

    Beside MoCo v2's loss: one image drawn from the query's cluster against six drawn from the
    twenty nearest images of other clusters, with a margin of -0.5.
    """
    moves = Moves(run.student, sgd, decay=1e-4)
    memory = run.memory
    for step in run.steps:
        if step.begins_epoch or step.number % 2 == 0:
            _mend(memory, step)
        q = moco_projection(run.student, step.views["a"])
        run.teacher.follow(run.student, 0.999)
        k = moco_projection(run.teacher, step.views["b"])
        bank, labels = memory["bank.vectors"], memory["bank.labels"].tolist()
        intra, inter = [], []
        for i, item in enumerate(step.items):
            c = torch.cat([k[i : i + 1], memory["queue.vectors"]])
            intra.append(cross_entropy(c @ q[i] / 0.2, 0))
            if labels[item] == -1:
                continue
            members = [j for j, label in enumerate(labels) if label == labels[item]]
            mate = members[int(step.mate(item) * len(members))]
            pool = nearest(bank @ q[i].detach(), 20)
            drawn = step.pool_lots(item, 20)
            negatives = [n for n in range(20) if labels[pool[n]] not in (-1, labels[item])]
            negatives = sorted(negatives, key=lambda n: drawn[n])[:6]
            scores = bank[[mate, *(pool[n] for n in negatives)]] @ q[i]
            eased = scores + 0.5 * torch.eye(len(scores)).to(scores)[0]
            inter.append(cross_entropy(eased / 0.2, 0))
        loss = 0.75 * mean(intra) + (0.25 * mean(inter) if inter else 0.0)
        moves(loss, warm_cosine(step, 0.03 * run.batch / 256))
        enqueue(memory, "queue", k, step.items)
        keep(memory, "bank", k, step.items)
        for row, item in zip(unit(k), step.items, strict=True):
            if memory["bank.begun"]:
                memory["bank.labels"][item] = (memory["bank.centroids"] @ row).argmax()
        yield loss


def _mend(memory: dict[str, Tensor], step: Step) -> None:
    """First clusters by k-means in an epoch that begins, later the means of the members."""
    seen = (memory["bank.sources"] != -1).nonzero()[:, 0].tolist()
    rows = memory["bank.vectors"][seen]
    if len(rows) < 3 or not (memory["bank.begun"] or step.begins_epoch):
        return
    if not memory["bank.begun"]:
        start = rows[step.online_starts(len(rows))[:3]]
        centroids = spherical_k_means(rows, start, 20)
        memory["bank.labels"][seen] = (rows @ centroids.T).argmax(dim=1)
        memory["bank.begun"].fill_(True)
    labels = memory["bank.labels"][seen]
    sizes = [int((labels == c).sum()) for c in range(3)]
    assert min(sizes) >= 1, "a small cluster would have to be dissolved"
    for c in range(3):
        memory["bank.centroids"][c] = rows[labels == c].mean(dim=0)
