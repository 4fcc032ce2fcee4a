"""Oracles of methods that sort images into classes of their own. Axes: B images, K classes."""

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from tests.oracles.clusters import agreement, k_means
from tests.oracles.parts import (
    Moves,
    Run,
    Step,
    adamw,
    cross_entropy,
    keep,
    mean,
    sgd,
    unit,
    warm_cosine,
)

THREE_LAYERS = "linear norm relu linear norm relu affine"


def iic(run: Run) -> Iterator[Tensor]:
    """Ji et al., ICCV 2019, https://arxiv.org/abs/1807.06653, Eq. 1 to 3.

    Two heads of four classes and two of seven; two copies, each paired with the plain image.
    """
    moves = Moves(run.student, adamw)
    for step in run.steps:
        said = {
            view: run.student.head("projector", run.student.feature(images), "affine")
            for view, images in step.views.items()
        }
        losses, first = [], 0
        for count in (4, 4, 7, 7):
            own = {v: rows[:, first : first + count].softmax(dim=1) for v, rows in said.items()}
            first += count
            joint = sum(
                torch.outer(copy, plain)
                for view in ("v1", "v2")
                for copy, plain in zip(own[view], own["plain"], strict=True)
            ) / (2 * len(step.items))
            joint = (joint + joint.T) / 2
            apart = torch.outer(joint.sum(dim=1), joint.sum(dim=0))
            losses.append(-(joint * (joint / apart).log()).sum())
        loss = mean(losses)
        moves(loss, 1e-4)
        yield loss


def imsat(run: Run) -> Iterator[Tensor]:
    """Hu et al., ICML 2017, https://arxiv.org/abs/1702.08720, Eq. 3, 7 and 8."""
    moves = Moves(run.student, adamw)
    for step in run.steps:
        plain, changed = (
            run.student.head("projector", run.student.feature(step.views[view]), THREE_LAYERS)
            for view in ("plain", "changed")
        )
        p = plain.softmax(dim=1)
        same = mean(
            cross_entropy(row, target) for row, target in zip(changed, p.detach(), strict=True)
        )
        doubt = mean(-(row * row.log()).sum() for row in p)
        whole = p.mean(dim=0)
        loss = same + doubt + 4 * (whole * whole.log()).sum()
        moves(loss, 0.002)
        yield loss


def dac(run: Run) -> Iterator[Tensor]:
    """Chang et al., ICCV 2017, Eq. 4 to 6: surely alike, surely not, or no part at all."""
    moves = Moves(run.student, adamw)
    layers = "linear norm relu linear norm"
    for step in run.steps:
        said, whole = (
            unit(
                run.student.head(
                    "projector", run.student.feature(step.views[view]), layers
                ).softmax(dim=1)
            )
            for view in ("a", "whole")
        )
        above = 0.95 - 0.45 * step.share
        below = 0.455 + 0.045 * step.share
        losses = []
        for i in range(len(said)):
            for j in range(len(said)):
                sure, alike = (whole[i] @ whole[j]).item(), said[i] @ said[j]
                if i == j:
                    losses.append(torch.zeros(()).to(said))  # alike whatever it says
                elif sure >= above:
                    losses.append(-alike.log())
                elif sure < below:
                    losses.append(-(1 - alike).log())
        loss = mean(losses)
        moves(loss, warm_cosine(step, 0.001))
        yield loss


def uic(run: Run) -> Iterator[Tensor]:
    """Chen et al., ECCV workshops 2020, https://arxiv.org/abs/2006.11480, section 3.

    Labels are what the network said of the images when it last trained on them. Rows weigh as
    if classes were drawn alike often.
    """
    moves = Moves(run.student, sgd, decay=1e-4)
    memory = run.memory
    for step in run.steps:
        if step.begins_epoch:
            coming = _refilled(memory["pseudo_labels.coming"].tolist(), step)
            memory["pseudo_labels.agreement"].fill_(
                agreement(memory["pseudo_labels.labels"].tolist(), coming)
            )
            for name in ("labels", "coming"):
                memory[f"pseudo_labels.{name}"][:] = torch.tensor(coming)
            for c in range(5):
                memory["pseudo_labels.rarity"][c] = len(coming) / (5 * coming.count(c))
        feature = run.student.feature(step.views["a"])
        scores = run.student.head("projector", feature, THREE_LAYERS)
        losses = []
        for row, item in zip(scores, step.items, strict=True):
            label = int(memory["pseudo_labels.labels"][item])
            losses.append(memory["pseudo_labels.rarity"][label] * cross_entropy(row, label))
            memory["pseudo_labels.coming"][item] = row.argmax()
        loss = mean(losses)
        moves(loss, warm_cosine(step, 0.05 * run.batch / 256))
        yield loss


def _refilled(labels: list[int], step: Step) -> list[int]:
    """Each empty class, in order, takes the larger half of the largest class."""
    for empty in range(5):
        if empty in labels:
            continue
        largest = max(range(5), key=lambda c: (labels.count(c), -c))
        members = [i for i, label in enumerate(labels) if label == largest]
        order = step.label_order(empty, len(members))
        for n in order[len(members) // 2 :]:
            labels[members[n]] = empty
    return labels


def rotation(run: Run) -> Iterator[Tensor]:
    """Gidaris et al., ICLR 2018, https://arxiv.org/abs/1803.07728, Eq. 2 and 3.

    Rotated counter-clockwise, as the authors do it by transposing and mirroring.
    """
    moves = Moves(run.student, sgd, decay=5e-4)
    for step in run.steps:
        loss = _rotation_loss(run, step.views["a"])
        moves(loss, warm_cosine(step, 0.0133 * run.batch / 256))
        yield loss


def _rotation_loss(run: Run, images: Tensor) -> Tensor:
    """The mean over images and their four rotations, which share a pass."""
    turned = [
        images,
        images.transpose(2, 3).flip(2),
        images.flip(2).flip(3),
        images.flip(2).transpose(2, 3),
    ]
    net = run.student
    scores = (
        net.feature(torch.cat(turned)) @ net["classifier.weight"].T + net["classifier.bias"]
    )
    count = len(images)
    return mean(cross_entropy(row, number // count) for number, row in enumerate(scores))


def sdmp_on_rotation(run: Run) -> Iterator[Tensor]:
    """Ren et al., CVPR 2022, Eq. 7 and 8: both sources of a mix are rotated by the same angle.

    So the label of a mix is one class, whatever its shares, in the source and the mix loss.
    """
    moves = Moves(run.student, sgd, decay=5e-4)
    for step in run.steps:
        clean = _rotation_loss(run, step.views["a"])
        net = run.student
        rows = net.feature(step.views["rotated~"])
        scores = rows @ net["classifier.weight"].T + net["classifier.bias"]
        count = len(step.items)
        mixed = mean(cross_entropy(row, number // count) for number, row in enumerate(scores))
        loss = clean + 0.25 * mixed + 0.25 * mixed
        moves(loss, warm_cosine(step, 0.0133 * run.batch / 256))
        yield loss


def deepcluster(run: Run) -> Iterator[Tensor]:
    """Caron et al., ECCV 2018, https://arxiv.org/abs/1807.05520, section 3.

    Features are whitened on six axes and clustered at the beginning of an epoch, in which the
    head gets fresh weights; its momentum is lost with it.
    """
    moves = Moves(run.student, sgd, decay=1e-5)
    memory, net = run.memory, run.student
    for step in run.steps:
        if step.begins_epoch and step.number > 0:
            step.chance_of("renewed/projector")
            fresh = nn.Linear(12, 5)
            nn.init.normal_(fresh.weight, std=0.01)
            with torch.no_grad():
                net.weights["projector.weight"].copy_(fresh.weight)
                net.weights["projector.bias"].zero_()
            for name in ("weight", "bias"):
                moves.states.pop(f"projector.{name}", None)
            _whiten_and_cluster(memory, step)
        feature = net.feature(step.views["a"])
        scores = feature @ net["projector.weight"].T + net["projector.bias"]
        losses = []
        for row, item in zip(scores, step.items, strict=True):
            label = int(memory["clusters.labels"][item])
            rarity = memory["clusters.rarity"][label] if label != -1 else 0.0
            losses.append(rarity * cross_entropy(row, label))
        known = sum(int(memory["clusters.labels"][item]) != -1 for item in step.items)
        loss = torch.stack(losses).sum() / known
        moves(loss, 0.05 * run.batch / 256)
        keep(memory, "bank", feature, step.items)
        yield loss


def _whiten_and_cluster(memory: dict[str, Tensor], step: Step) -> None:
    seen = (memory["bank.sources"] != -1).nonzero()[:, 0].tolist()
    rows = memory["bank.vectors"][seen]
    centred = rows - rows.mean(dim=0)
    left, spread, _ = torch.linalg.svd(centred, full_matrices=False)
    whitened = left[:, :6] * (len(rows) - 1) ** 0.5
    assert spread[5] > 1e-6 * spread[0], "fewer axes than were asked for"
    rows = unit(whitened)
    labels = k_means(rows, rows[step.starts(len(rows))[:5]], 20).tolist()
    before = memory["clusters.labels"].tolist()
    memory["clusters.labels"][:] = -1
    for i, label in zip(seen, labels, strict=True):
        memory["clusters.labels"][i] = label
    for c in range(5):
        memory["clusters.rarity"][c] = len(labels) / (5 * labels.count(c))
    found = memory["clusters.labels"].tolist()
    memory["clusters.agreement"].fill_(agreement(before, found))


def diet(run: Run) -> Iterator[Tensor]:
    """Balestriero, 2023, https://arxiv.org/abs/2302.10260, section 2: the item is the class.

    A fifth of the target is the image's own, the rest is spread over all 24.
    """
    moves = Moves(run.student, adamw, decay=0.05)
    for step in run.steps:
        loss = mean(_diet_losses(run, step, "a"))
        moves(loss, _diet_rate(run, step))
        yield loss


def _diet_losses(run: Run, step: Step, view: str) -> Iterator[Tensor]:
    scores = run.student.feature(step.views[view]) @ run.student["classifier.weight"].T
    for row, items, shares in zip(scores, *step.made_of[view], strict=True):
        target = torch.full((24,), 0.8 / 24).to(row)
        for item, share in zip(items.tolist(), shares.tolist(), strict=True):
            target[item] += 0.2 * share
        yield cross_entropy(row, target)


def _diet_rate(run: Run, step: Step) -> float:
    return warm_cosine(step, 1e-3 * run.batch / 256, warmup=1, end=1e-6)


def sdmp_on_diet(run: Run) -> Iterator[Tensor]:
    """Ren et al., CVPR 2022, Eq. 7 and 8: the target of a mix has the shares of its sources."""
    moves = Moves(run.student, adamw, decay=0.05)
    for step in run.steps:
        clean, mixed = (mean(_diet_losses(run, step, view)) for view in ("a", "a~"))
        loss = clean + 0.25 * mixed + 0.25 * mixed
        moves(loss, _diet_rate(run, step))
        yield loss
