"""Oracles of methods that solve a task on parts of an image. Axes: B images, D features."""

from collections.abc import Iterator

import torch
from torch import Tensor

from tests.oracles.parts import (
    Moves,
    Net,
    Run,
    cross_entropy,
    mean,
    sgd_on_matrices,
    unit,
    warm_cosine,
)


def context(run: Run) -> Iterator[Tensor]:
    """Doersch et al., ICCV 2015, https://arxiv.org/abs/1505.05192, figure 3, in a 3 x 3 grid.

    Directions by raster: 0 1 2, 3 . 4, 5 6 7.
    """
    moves, net = Moves(run.student, sgd_on_matrices, decay=1e-4), run.student
    where = {(-1, -1): 0, (-1, 0): 1, (-1, 1): 2, (0, -1): 3, (0, 1): 4, (1, -1): 5,
             (1, 0): 6, (1, 1): 7}  # fmt: skip
    for step in run.steps:
        embedded = embedded_tiles(net, step.views["tiles"])
        pairs, classes = [], []
        for tiles in embedded:
            for (down, right), direction in where.items():
                other = tiles[3 * (1 + down) + 1 + right]
                pairs.append(torch.cat([tiles[4], other]))
                classes.append(direction)
        scores = net.head("classifier.head", torch.stack(pairs), "linear norm relu affine")
        loss = mean(map(cross_entropy, scores, classes))
        moves(loss, warm_cosine(step, 0.1 * run.batch / 256, warmup=5))
        yield loss


def jigsaw(run: Run) -> Iterator[Tensor]:
    """Noroozi and Favaro, ECCV 2016, https://arxiv.org/abs/1603.09246, Eq. 2 and section 4."""
    moves, net = Moves(run.student, sgd_on_matrices, decay=1e-4), run.student
    for step in run.steps:
        rows = embedded_tiles(net, step.views["shuffled"], "projector.0.head.0")
        joined = torch.stack([torch.cat(list(tiles)) for tiles in rows])
        scores = joined @ net["classifier.weight"].T + net["classifier.bias"]
        loss = mean(map(cross_entropy, scores, step.tasks["shuffled"]))
        moves(loss, warm_cosine(step, 0.1 * run.batch / 256, warmup=5))
        yield loss


def embedded_tiles(net: Net, tiles: Tensor, name: str = "projector.head.0") -> Tensor:
    """Embeddings [B, 9, D] of tiles, all of which share a pass."""
    rows = net.head(name, net.feature(tiles.flatten(0, 1)), "linear norm relu")
    return rows.view(*tiles.shape[:2], -1)


def exemplar(run: Run) -> Iterator[Tensor]:
    """Kolesnikov et al., CVPR 2019, with the triplets of https://arxiv.org/abs/1503.03832."""
    moves, net = Moves(run.student, sgd_on_matrices, decay=1e-4), run.student
    for step in run.steps:
        feature = net.feature(torch.cat([step.views[f"v{copy}"] for copy in (1, 2, 3)]))
        rows = unit(feature @ net["embedding.weight"].T + net["embedding.bias"])
        loss = semi_hard_triplets(rows, 3)
        moves(loss, warm_cosine(step, 0.1 * run.batch / 256, warmup=5))
        yield loss


def semi_hard_triplets(rows: Tensor, copies: int) -> Tensor:
    """Of some crops of each image, all first ones first; every pair of crops of one is kin."""
    count, losses = len(rows) // copies, []
    for i, row in enumerate(rows):
        apart = [(row - other).square().sum() for other in rows]
        others = [apart[j] for j in range(len(rows)) if (j - i) % count]
        for j in range(len(rows)):
            if j != i and (j - i) % count == 0:
                beyond = [other for other in others if other > apart[j]]
                chosen = min(beyond) if beyond else max(others)
                losses.append((0.5 + apart[j] - chosen).clamp(min=0))
    return mean(losses)


def hardest_triplets(rows: Tensor, copies: int) -> Tensor:
    """Of some crops of each image, all first ones first."""
    count, losses = len(rows) // copies, []
    for i, row in enumerate(rows):
        apart = [(row - other).square().sum().sqrt() for other in rows]
        mates = [apart[j] for j in range(len(rows)) if j != i and (j - i) % count == 0]
        others = [apart[j] for j in range(len(rows)) if (j - i) % count]
        losses.append((1 + (torch.stack(mates).max() - torch.stack(others).min()).exp()).log())
    return mean(losses)
