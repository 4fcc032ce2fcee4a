"""Oracles of UDA, FlexMatch, MixMatch and S4L. Axes: B images, K classes."""

from collections import Counter
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from tests.laws.world import predictions
from tests.oracles.consistency import _divergence as divergence
from tests.oracles.labels import _falling as falling
from tests.oracles.labels import _labelled as labelled_loss
from tests.oracles.labels import _scores as scores_of
from tests.oracles.parts import (
    Moves,
    Run,
    Step,
    adamw_on_matrices,
    cross_entropy,
    mean,
    nesterov_on_matrices,
    sgd_on_matrices,
    unit,
    warm_cosine,
)
from tests.oracles.tasks import hardest_triplets

THREE = ("labelled", "weak", "strong")


def uda(run: Run) -> Iterator[Tensor]:
    """Xie et al., NeurIPS 2020, https://arxiv.org/abs/1904.12848, sections 2 and 3."""
    moves, chosen, taught = Moves(run.student, nesterov_on_matrices, decay=5e-4), [], []
    for step in run.steps:
        labelled, weak, strong = _together(run, step, THREE)
        losses = []
        for row, target in zip(strong, (weak.detach() / 0.4).softmax(dim=1), strict=True):
            entropy = -float((target * target.log()).sum())
            losses.append(cross_entropy(row, target) - entropy)
        sure = [float(row.max()) >= 0.31 for row in weak.detach().softmax(dim=1)]
        most = step.share * (1 - 1 / 4) + 1 / 4
        kept = [
            cross_entropy(row, label)
            for row, label in zip(labelled, _known(step), strict=True)
            if float(row.detach().softmax(dim=0)[label]) <= most
        ]
        taught.append((len(kept), len(labelled)))
        chosen += sure
        loss = mean(x * yes for x, yes in zip(losses, sure, strict=True))
        loss = loss + (mean(kept) if kept else 0.0)
        peak = 0.015 * run.batch / 256
        moves(loss, warm_cosine(step, peak, end=0.004 * peak))
        run.teacher.follow(run.student, 0.999)
        yield loss
    assert 0 < sum(chosen) < len(chosen), "some rows must be sure, and not all"
    assert any(0 < some < every for some, every in taught), "some labels must be withheld"


def flexmatch(run: Run) -> Iterator[Tensor]:
    """Zhang et al., NeurIPS 2021, https://arxiv.org/abs/2110.08263, Eq. 5 to 8 and 11."""
    moves, status = Moves(run.student, nesterov_on_matrices, decay=5e-4), dict[int, int]()
    thresholds = set()
    for step in run.steps:
        labelled, weak, strong = _together(run, step, THREE)
        unlabelled = [item for item in step.items if step.labels[item] < 0]
        counts = Counter(status.values())
        unused = sum(label < 0 for label in step.labels) - len(status)
        losses, found = [], {}
        for item, sure, row in zip(
            unlabelled, weak.detach().softmax(dim=1), strong, strict=True
        ):
            best = int(sure.argmax())
            share = counts[best] / max(*counts.values(), unused, 1)
            threshold = 0.45 * share / (2 - share)
            thresholds.add(threshold)
            losses.append(cross_entropy(row, best) * (float(sure[best]) >= threshold))
            if float(sure[best]) >= 0.45:
                found[item] = best
        status |= found
        for item, best in found.items():
            run.memory["status.labels"][item] = best
        loss = labelled_loss(step, labelled) + mean(losses)
        moves(loss, falling(step, 0.015 * run.batch / 256))
        run.teacher.follow(run.student, 0.999)
        yield loss
    assert len(thresholds) > 2, "thresholds must move"


def mixmatch(run: Run) -> Iterator[Tensor]:
    """Berthelot et al., NeurIPS 2019, https://arxiv.org/abs/1905.02249, Eq. 2 to 11.

    What is mixed with what is given; guesses share one pass, and mixed rows another.
    """
    moves = Moves(run.student, adamw_on_matrices, decay=0.02)
    names = ("labelled~", "first~", "second~")
    for step in run.steps:
        first, second = (rows.detach().softmax(dim=1)
                         for rows in _together(run, step, ("first", "second")))  # fmt: skip
        unlabelled = [item for item in step.items if step.labels[item] < 0]
        targets = {
            item: torch.eye(4)[step.labels[item]].double()
            for item in step.items
            if step.labels[item] >= 0
        }
        for item, one, other in zip(unlabelled, first, second, strict=True):
            power = ((one + other) / 2) ** (1 / 0.5)
            targets[item] = power / power.sum()
        wanted = [
            [
                sum(share * targets[item] for item, share in zip(items, shares, strict=True))
                for items, shares in zip(*(t.tolist() for t in step.made_of[name]), strict=True)
            ]
            for name in names
        ]
        rows = _together(run, step, names)
        supervised = mean(cross_entropy(*pair) for pair in zip(rows[0], wanted[0], strict=True))
        errors = [
            (row.softmax(dim=0) - target).square().sum() / 4
            for part, labels in zip(rows[1:], wanted[1:], strict=True)
            for row, target in zip(part, labels, strict=True)
        ]
        loss = supervised + 75 * min(step.number / 18, 1.0) * mean(errors)
        moves(loss, 0.002)
        run.teacher.follow(run.student, 0.999)
        yield loss


def s4l_rotation(run: Run) -> Iterator[Tensor]:
    """Zhai et al., ICCV 2019, https://arxiv.org/abs/1905.03670, Eq. 1 and 2."""
    moves, net = Moves(run.student, sgd_on_matrices, decay=1e-3), run.student
    for step in run.steps:
        shown = [step.views[name] for name in ("labelled", "unlabelled")]
        turned = [turn(images) for images in shown for turn in TURNS]
        counts = [4 * len(images) for images in shown]
        known, other = net.feature(torch.cat(turned)).split(counts)
        classes = known @ net["classifier.weight"].T + net["classifier.bias"]
        supervised = mean(
            cross_entropy(row, label)
            for row, label in zip(classes, 4 * _known(step), strict=True)
        )
        pretext = [
            mean(
                cross_entropy(row, number // (len(part) // 4))
                for number, row in enumerate(
                    part @ net["rotation.weight"].T + net["rotation.bias"]
                )
            )
            for part in (known, other)
        ]
        loss = supervised + mean(pretext)
        moves(loss, warm_cosine(step, 0.015 * run.batch / 256))
        yield loss


def s4l_moam(run: Run) -> Iterator[Tensor]:
    """Zhai et al., ICCV 2019, section 7: all losses and pseudo-labels; directions are given."""
    moves, net = Moves(run.student, sgd_on_matrices, decay=2e-4), run.student
    predicted = predictions(torch.tensor(run.steps[0].labels)).shares
    for step in run.steps:
        images, d = step.views["a"], step.views["moved"].detach().requires_grad_()
        shown = torch.cat([*(turn(images) for turn in TURNS), images])
        turned, plain = net.feature(shown).split([4 * len(images), len(images)])
        weight, bias = net["classifier.weight"].T, net["classifier.bias"]
        classes, scores = turned @ weight + bias, plain @ weight + bias
        known, others = [], []
        for row, item in zip(classes, 4 * step.items, strict=True):
            if step.labels[item] >= 0:
                known.append(cross_entropy(row, step.labels[item]))
            else:
                soft = torch.from_numpy(predicted[item]).double()
                others.append(cross_entropy(row, soft / soft.sum()))
        pretext = mean(
            cross_entropy(row, number // len(images))
            for number, row in enumerate(
                turned @ net["rotation.weight"].T + net["rotation.bias"]
            )
        )
        p = scores.softmax(dim=1).detach()
        doubt = divergence(p, net.feature(images + d) @ weight + bias)
        (slope,) = torch.autograd.grad(doubt, d)
        r = torch.stack([10 * g / g.square().sum().sqrt() for g in slope])
        smooth = divergence(p, net.feature(images + r) @ weight + bias)
        unsure = mean(-(row * row.log()).sum() for row in scores.softmax(dim=1))
        loss = 0.15 * mean(known) + 0.15 * mean(others) + 0.4 * pretext
        loss = loss + 0.3 * smooth + 0.3 * unsure
        moves(loss, warm_cosine(step, 0.1 * run.batch / 256))
        run.teacher.follow(run.student, 0.99)
        yield loss


def s4l_exemplar(run: Run) -> Iterator[Tensor]:
    """Zhai et al., ICCV 2019, section 3, with the triplets of https://arxiv.org/abs/1703.07737."""
    moves, net = Moves(run.student, sgd_on_matrices, decay=1e-3), run.student
    for step in run.steps:
        kinds = ("labelled", "unlabelled")
        shown = [
            torch.cat([step.views[f"{kind}-{copy}"] for copy in (1, 2, 3)]) for kind in kinds
        ]
        known, other = net.feature(torch.cat(shown)).split([len(images) for images in shown])
        classes = known @ net["classifier.weight"].T + net["classifier.bias"]
        supervised = mean(
            cross_entropy(row, label)
            for row, label in zip(classes, 3 * _known(step), strict=True)
        )
        pretext = [
            hardest_triplets(unit(part @ net["embedding.weight"].T + net["embedding.bias"]), 3)
            for part in (known, other)
        ]
        loss = supervised + mean(pretext)
        moves(loss, warm_cosine(step, 0.025 * run.batch / 256))
        yield loss


TURNS = (
    lambda x: x,
    lambda x: x.transpose(2, 3).flip(2),
    lambda x: x.flip(2).flip(3),
    lambda x: x.flip(2).transpose(2, 3),
)


def _together(run: Run, step: Step, names: Sequence[str]) -> Sequence[Tensor]:
    """Scores of some views that share a pass."""
    counts = [len(step.views[name]) for name in names]
    return scores_of(run, torch.cat([step.views[name] for name in names])).split(counts)


def _known(step: Step) -> list[int]:
    """Labels of the labelled images of a step."""
    return [step.labels[item] for item in step.items if step.labels[item] >= 0]
