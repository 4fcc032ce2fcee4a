"""Oracles of methods of consistency. Axes: B images, K classes."""

import math
from collections.abc import Iterator

import torch
from torch import Tensor

from tests.oracles.parts import (
    Moves,
    Net,
    Run,
    Step,
    adamw,
    cross_entropy,
    half_cosine,
    mean,
    nesterov,
    warm_cosine,
)


def pseudo_label(run: Run) -> Iterator[Tensor]:
    """Lee, ICML workshops 2013, Eq. 15 and 16, with a threshold of 0.31.

    One pass of all rows; gradients flow through its statistics to rows of both kinds.
    """
    moves, chosen = Moves(run.student, adamw), []
    for step in run.steps:
        names = ("labelled", "unlabelled")
        counts = [len(step.views[name]) for name in names]
        rows = _scores(run.student, torch.cat([step.views[name] for name in names]))
        labelled, others = rows.split(counts)
        known = [step.labels[item] for item in step.items if step.labels[item] >= 0]
        losses = []
        for row in others:
            sure = row.detach().softmax(dim=0)
            best = int(sure.argmax())
            chosen.append(float(sure[best]) >= 0.31)
            losses.append(cross_entropy(row, best) * chosen[-1])
        right = mean(cross_entropy(row, c) for row, c in zip(labelled, known, strict=True))
        loss = right + min(step.share / 0.4, 1) * mean(losses)
        moves(loss, warm_cosine(step, 3e-4))
        yield loss
    assert 0 < sum(chosen) < len(chosen), "some rows must be sure, and not all"


def pi_model(run: Run) -> Iterator[Tensor]:
    """Laine and Aila, ICLR 2017, https://arxiv.org/abs/1610.02242, algorithm 1.

    The gradient flows through both branches. A weight of 100, times 0.08 of labelled images.
    """
    moves = Moves(run.student, adamw)
    for step in run.steps:
        a, b = (_scores(run.student, step.views[name]) for name in ("a", "b"))
        grown = 0 if step.epoch < 1 else _ramp(step.epoch / 4)
        loss = _labelled(step, a) + 8 * grown * _squared(a, b.softmax(dim=1))
        moves(loss, warm_cosine(step, 0.003, warmup=1))
        yield loss


def temporal_ensembling(run: Run) -> Iterator[Tensor]:
    """The same, algorithm 2: the target is the bias-corrected average of past answers."""
    moves, memory = Moves(run.student, adamw), run.memory
    for step in run.steps:
        scores = _scores(run.student, step.views["a"])
        targets, seen = [], []
        for item in step.items:
            times = int(memory["predictions.visits"][item])
            seen.append(times > 0)
            targets.append(memory["predictions.sums"][item] / (1 - 0.6 ** max(times, 1)))
        own = scores.softmax(dim=1)
        apart = [
            (row - target).square().mean() * known
            for row, target, known in zip(own, targets, seen, strict=True)
        ]
        grown = 0 if step.epoch < 1 else _ramp(step.epoch / 4)
        loss = _labelled(step, scores) + 2.4 * grown * mean(apart)
        moves(loss, warm_cosine(step, 0.003, warmup=1))
        for item, row in zip(step.items, own.detach(), strict=True):
            sums = memory["predictions.sums"]
            sums[item] = 0.6 * sums[item] + 0.4 * row
            memory["predictions.visits"][item] += 1
        yield loss


def mean_teacher(run: Run) -> Iterator[Tensor]:
    """Tarvainen and Valpola, NeurIPS 2017, https://arxiv.org/abs/1703.01780, Eq. 1 to 3."""
    moves = Moves(run.student, nesterov, decay=1e-4)
    for step in run.steps:
        scores = _scores(run.student, step.views["a"])
        with torch.no_grad():
            target = _scores(run.teacher, step.views["b"]).softmax(dim=1)
        grown = _ramp(step.epoch / 5)
        loss = _labelled(step, scores) + 100 * grown * _squared(scores, target)
        moves(loss, 0.256 * run.batch / 256 * half_cosine(step.share))
        t = step.number + 1
        run.teacher.follow(run.student, min(1 - 1 / (t + 1), 0.97))
        yield loss


def fast_swa(run: Run) -> Iterator[Tensor]:
    """Athiwaratkun et al., ICLR 2019, https://arxiv.org/abs/1806.05594, section 3.3.

    The first weights are taken after 2 epochs and the next ones every two thirds of an epoch,
    which is 2 steps; cycles of 1.5 epochs begin after 3.5.
    """
    moves = Moves(run.student, nesterov, decay=1e-4)
    for step in run.steps:
        a, b = (_scores(run.student, step.views[name]) for name in ("a", "b"))
        loss = _labelled(step, a) + 100 * _ramp(step.epoch / 5) * _squared(a, b.softmax(dim=1))
        epoch = step.epoch
        while epoch >= 3.5:
            epoch -= 1.5
        moves(loss, 0.256 * run.batch / 256 * half_cosine(epoch / 5))
        taken = [number for number in range(5, step.number + 1, 2)]
        if not taken:
            run.teacher.follow(run.student, 0.0)
        elif taken[-1] == step.number:
            run.teacher.follow(run.student, 1 - 1 / len(taken))
        yield loss


def vat(run: Run) -> Iterator[Tensor]:
    """Miyato et al., TPAMI 2018, https://arxiv.org/abs/1704.03976, Eq. 5 to 11."""
    yield from _vat(run, entropy=0.0)


def vat_entmin(run: Run) -> Iterator[Tensor]:
    """The same, plus the entropy of all answers to clean images, section 4.4.3."""
    yield from _vat(run, entropy=1.0)


def _vat(run: Run, entropy: float) -> Iterator[Tensor]:
    """Directions are drawn for the oracle, as images are; a radius of 8, a probe of 1."""
    moves = Moves(run.student, adamw)
    for step in run.steps:
        images, d = step.views["a"], step.views["moved"].detach().requires_grad_()
        scores = _scores(run.student, images)
        p = scores.softmax(dim=1).detach()
        doubt = _divergence(p, _scores(run.student, images + d))
        (slope,) = torch.autograd.grad(doubt, d)
        r = [8 * g / g.square().sum().sqrt() for g in slope]
        smooth = _divergence(p, _scores(run.student, images + torch.stack(r)))
        own = scores.softmax(dim=1)
        known = [i for i, item in enumerate(step.items) if step.labels[item] >= 0]
        right = mean(cross_entropy(scores[i], step.labels[step.items[i]]) for i in known)
        unsure = mean(-(row * row.log()).sum() for row in own)
        loss = right + smooth + entropy * unsure
        moves(loss, warm_cosine(step, 0.001))
        yield loss


def _scores(net: Net, images: Tensor) -> Tensor:
    return net.feature(images) @ net["classifier.weight"].T + net["classifier.bias"]


def _labelled(step: Step, scores: Tensor) -> Tensor:
    """Cross-entropy of rows with a label, divided by all rows."""
    labels = [step.labels[item] for item in step.items]
    return mean(
        cross_entropy(row, max(c, 0)) * (c >= 0) for row, c in zip(scores, labels, strict=True)
    )


def _squared(scores: Tensor, target: Tensor) -> Tensor:
    """Squared error of probabilities, a mean over rows and classes."""
    return mean(
        (p - t) ** 2
        for row, other in zip(scores.softmax(dim=1), target, strict=True)
        for p, t in zip(row, other, strict=True)
    )


def _divergence(target: Tensor, scores: Tensor) -> Tensor:
    """``KL(target || softmax(scores))``, a mean over rows."""
    logs = scores.log_softmax(dim=1)
    return mean((p * (p.log() - q)).sum() for p, q in zip(target, logs, strict=True))


def _ramp(t: float) -> float:
    return math.exp(-5 * (1 - min(t, 1)) ** 2)
