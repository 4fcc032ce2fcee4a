"""Oracles of methods without negatives, and of those with a trained teacher. Axes: B images."""

from collections.abc import Iterator

import torch
from torch import Tensor

from tests.oracles.parts import (
    Moves,
    Net,
    Run,
    cross_entropy,
    enqueue,
    half_cosine,
    lars,
    mean,
    nearest,
    sgd,
    unit,
    warm_cosine,
)

TWO_LAYERS = "linear norm relu affine"


def _predicted(net: Net, images: Tensor) -> Tensor:
    projection = net.head("projector", net.feature(images), TWO_LAYERS)
    return unit(net.head("predictor", projection, TWO_LAYERS))


def _projected(net: Net, images: Tensor) -> Tensor:
    return unit(net.head("projector", net.feature(images), TWO_LAYERS))


def byol(run: Run) -> Iterator[Tensor]:
    """Grill et al., NeurIPS 2020, https://arxiv.org/abs/2006.07733, Eq. 2."""
    moves = Moves(run.student, lars, decay=1.5e-6)
    for step in run.steps:
        losses = []
        for query, key in (("a", "b"), ("b", "a")):
            q = _predicted(run.student, step.views[query])
            k = _projected(run.teacher, step.views[key])
            losses += [2 - 2 * q[i] @ k[i] for i in range(len(q))]
        loss = 2 * mean(losses)
        moves(loss, warm_cosine(step, 0.2 * run.batch / 256, warmup=10))
        run.teacher.follow(run.student, 1 - (1 - 0.996) * half_cosine(step.share))
        yield loss


def tico(run: Run) -> Iterator[Tensor]:
    """Zhu et al., 2022, https://arxiv.org/abs/2206.10698, algorithm 1, plus one."""
    moves = Moves(run.student, lars, decay=1.5e-6)
    for step in run.steps:
        q = unit(_projected(run.student, step.views["a"]))
        k = unit(_projected(run.teacher, step.views["b"]))
        own = torch.stack([torch.outer(row, row) for row in q]).mean(dim=0)
        c = 0.9 * run.memory["covariance.value"] + 0.1 * own
        loss = 1 + mean(8 * (row @ c @ row) - row @ key for row, key in zip(q, k, strict=True))
        moves(loss, warm_cosine(step, 0.2 * run.batch / 256, warmup=10))
        run.memory["covariance.value"] = c.detach()
        run.teacher.follow(run.student, 1 - (1 - 0.99) * half_cosine(step.share))
        yield loss


def simsiam(run: Run) -> Iterator[Tensor]:
    """Chen and He, CVPR 2021, https://arxiv.org/abs/2011.10566, Eq. 1 to 4, plus one."""
    moves = Moves(run.student, sgd, decay=1e-4)
    for step in run.steps:
        z, p = {}, {}
        for view in ("a", "b"):
            layers = "linear norm relu linear norm relu linear plain"
            feature = run.student.feature(step.views[view])
            z[view] = run.student.head("projector", feature, layers)
            p[view] = unit(run.student.head("predictor", z[view], TWO_LAYERS))
        losses = [
            -(p[x][i] @ unit(z[y][i].detach()))
            for x, y in (("a", "b"), ("b", "a"))
            for i in range(len(step.items))
        ]
        loss = 1 + mean(losses)
        peak = 0.05 * run.batch / 256
        moves(loss, warm_cosine(step, peak), rates={"predictor": peak})
        yield loss


def msf(run: Run) -> Iterator[Tensor]:
    """Koohpayegani et al., ICCV 2021, https://arxiv.org/abs/2105.07269, section 3.

    The three keys most like the own one, itself among them.
    """
    moves = Moves(run.student, sgd, decay=1e-4)
    for step in run.steps:
        q = _predicted(run.student, step.views["strong"])
        run.teacher.follow(run.student, 0.99)
        k = _projected(run.teacher, step.views["weak"])
        c = torch.cat([k, run.memory["bank.vectors"]])
        losses = [
            mean(2 - 2 * q[i] @ c[j] for j in nearest(c @ k[i], 3)) for i in range(len(q))
        ]
        loss = mean(losses)
        moves(loss, warm_cosine(step, 0.05 * run.batch / 256))
        enqueue(run.memory, "bank", k, step.items)
        yield loss


def cmsf(run: Run) -> Iterator[Tensor]:
    """Navaneet et al., ECCV 2022, https://arxiv.org/abs/2112.04607, sections 3.1 and 4.

    Half the loss is MSF's with two neighbours; for the other half they are sought among the
    four keys whose images were most alike one visit ago. Until an image has been visited
    before, its present key stands in for the past one.
    """
    moves = Moves(run.student, sgd, decay=1e-4)
    memory = run.memory
    for step in run.steps:
        q = _predicted(run.student, step.views["strong"])
        run.teacher.follow(run.student, 0.99)
        k = _projected(run.teacher, step.views["weak"])
        c = torch.cat([k, memory["bank.vectors"]])
        items = [*step.items, *memory["bank.sources"].tolist()]
        former = []
        for j, item in enumerate(items):
            # A bank's row of an image of this step was written one visit ago at the latest.
            stale = 0 if item in step.items else 1
            known = item != -1 and memory["past.visits"][item] > stale
            former.append(memory["past.vectors"][item, stale] if known else c[j])
        losses = []
        for i in range(len(q)):
            related = nearest(torch.stack(former) @ former[i], 4)
            near = [related[n] for n in nearest(c[related] @ k[i], 2)]
            losses += [2 - 2 * q[i] @ c[j] for j in (*near, *nearest(c @ k[i], 2))]
        loss = mean(losses)
        moves(loss, warm_cosine(step, 0.05 * run.batch / 256))
        enqueue(memory, "bank", k, step.items)
        for row, item in zip(k, step.items, strict=True):
            memory["past.vectors"][item] = torch.stack([row, memory["past.vectors"][item, 0]])
            memory["past.visits"][item] += 1
        yield loss


def rekd(run: Run) -> Iterator[Tensor]:
    """Zheng et al., AAAI 2022, https://arxiv.org/abs/2112.04174, section 3.

    The teacher's own key and its two nearest past keys of other images are positives; beside
    it the student learns the teacher's whole relation to the past.
    """
    moves = Moves(run.student, sgd, decay=1e-4)
    for step in run.steps:
        q = _projected(run.student, step.views["a"])
        with torch.no_grad():
            k = unit(run.pretrained(step.views["b"]))
        queue, past = run.memory["queue.vectors"], run.memory["queue.sources"].tolist()
        losses = []
        for i, item in enumerate(step.items):
            strangers = [j for j, other in enumerate(past) if other not in (-1, item)]
            near = [strangers[n] for n in nearest(queue[strangers] @ k[i], 2)]
            kin = near + [j for j, other in enumerate(past) if other == item]
            target = torch.zeros(len(k) + len(queue)).to(q)
            target[[i, *(len(k) + j for j in kin)]] = 1 / (1 + len(kin))
            losses.append(cross_entropy(torch.cat([k, queue]) @ q[i] / 0.2, target))
            relation = (queue @ k[i] / 0.05).softmax(dim=0)
            losses.append(cross_entropy(queue @ q[i] / 0.2, relation))
        loss = 2 * mean(losses)
        moves(loss, warm_cosine(step, 0.03 * run.batch / 256))
        enqueue(run.memory, "queue", k, step.items)
        yield loss


def distill(run: Run) -> Iterator[Tensor]:
    """Navaneet et al., BMVC 2021, https://arxiv.org/abs/2201.05131: both see one view."""
    moves = Moves(run.student, sgd, decay=1e-4)
    for step in run.steps:
        q = _predicted(run.student, step.views["a"])
        with torch.no_grad():
            k = unit(run.pretrained(step.views["a"]))
        loss = mean((q[i] - k[i]).square().sum() for i in range(len(q)))
        moves(loss, warm_cosine(step, 0.05 * run.batch / 256))
        yield loss
