"""Methods that compare images with places, pair by pair.

Axes: B images, N places, D features.
"""

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence

import torch
from torch import Tensor

from tests.oracles import pixels
from tests.oracles.parts import (
    Moves,
    Net,
    Run,
    adamw_on_matrices,
    cross_entropy,
    mean,
    warm_cosine,
)
from tests.oracles.pixels import affine, embedded

WIDTH, SIDE, CODE = 16, 4, 8


def dim(run: Run) -> Iterator[Tensor]:
    """Hjelm et al., ICLR 2019, Eq. 4, 7 and 8: DIM(L) with the JSD and the prior."""
    moves = Moves(run.student, adamw_on_matrices, decay=0.0)
    for step in run.steps:
        net, images = run.student, step.views["a"]
        shown = [_shown(net, image) for image in images]
        code = affine(net, "code", torch.stack([feature for feature, _, _ in shown]))
        ours = _shortcut(net, "summary", code)
        theirs = _places(net, "local.head", [early for _, _, early in shown], norm=True)
        local = _jensen_shannon(ours, theirs)
        bounded = (2 * code.detach() - code).sigmoid()  # learns against the critic
        step.chance_of("network/0")
        uniform = torch.rand(len(images), CODE, dtype=code.dtype)
        rows = torch.stack([uniform, bounded], dim=1).flatten(0, 1)
        for layer in (0, 2):
            rows = affine(net, f"critic.body.{layer}", rows).relu()
        logs = affine(net, "critic.scores", rows).log_softmax(dim=1)
        prior = mean(-logs[number, number % 2] for number in range(len(rows)))
        loss = local + 0.1 * prior
        moves(loss, warm_cosine(step, 1e-4))
        yield loss


def _jensen_shannon(ours: Tensor, theirs: Tensor) -> Tensor:
    """Softplus of minus the scores of an image's own places, and of those of all others'."""
    own, apart = [], []
    for n, m in itertools.product(range(len(ours)), range(len(theirs))):
        for place in theirs[m]:
            score = ours[n] @ place
            if n == m:
                own.append(math.log(2) - (1 + (-score).exp()).log())
            else:
                apart.append((1 + (-score).exp()).log() + score - math.log(2))
    return mean(apart) - mean(own)


def amdim(run: Run) -> Iterator[Tensor]:
    """Bachman et al., NeurIPS 2019, Eq. 2, 4 and 5, from view to view in both directions."""
    moves = Moves(run.student, adamw_on_matrices_8_999, decay=1e-5)
    for step in run.steps:
        net, both = run.student, [*step.views["a"], *step.views["b"]]
        count = len(step.views["a"])
        shown = [_shown(net, image) for image in both]
        whole = _shortcut(net, "whole", torch.stack([feature for feature, _, _ in shown]))
        coarse = _places(net, "coarse.head", [last for _, last, _ in shown])
        fine = _places(net, "fine.head", [early for _, _, early in shown])
        step.chance_of("network/0")
        places = torch.randint(coarse.shape[1], (2 * count,)).tolist()
        drawn = torch.stack([coarse[row, place] for row, place in enumerate(places)])
        loss = torch.zeros(())
        for one, other in ((0, count), (count, 0)):
            ours, theirs = slice(one, one + count), slice(other, other + count)
            for query, among in ((whole, fine), (whole, coarse), (drawn, coarse)):
                loss = loss + _clipped(query[ours], among[theirs]) / 2
        moves(loss, warm_cosine(step, 2e-4, warmup=0.1))
        yield loss


def _clipped(ours: Tensor, theirs: Tensor) -> Tensor:
    """Each place of an image against the places of all other images, and the penalty."""
    losses, squares = [], []
    for n in range(len(ours)):
        raw = [[ours[n] @ place / math.sqrt(WIDTH) for place in places] for places in theirs]
        squares += [score.square() for row in raw for score in row]
        scores = [[20 * (score / 20).tanh() for score in row] for row in raw]
        others = sum(score.exp() for m, row in enumerate(scores) if m != n for score in row)
        losses += [-(score - (score.exp() + others).log()) for score in scores[n]]
    return mean(losses) + 0.05 * mean(squares)


def _shown(net: Net, image: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The class token, the patches of the last block, and those of the first of two."""
    positions = net["backbone.pos_embed"][0]
    first = net["backbone.cls_token"][0, 0] + positions[0]
    tokens = torch.cat([first[None], embedded(net, image) + positions[1:]])
    early = pixels.block(net, "backbone.blocks.0", tokens)
    last = pixels.block(net, "backbone.blocks.1", early)
    last = pixels.normed(net, "backbone.norm", last)
    return last[0], last[1:], early[1:]


def _places(net: Net, name: str, maps: Sequence[Tensor], *, norm: bool = False) -> Tensor:
    """Means of squares of two by two patches, embedded: [B, 4, D]."""
    rows = [
        torch.stack(
            [shown[SIDE * (2 * y + i) + 2 * x + j] for i in (0, 1) for j in (0, 1)]
        ).mean(dim=0)
        for shown in maps
        for y, x in itertools.product((0, 1), (0, 1))
    ]
    out = _shortcut(net, name, torch.stack(rows))
    if norm:
        apart = out - out.mean(dim=1, keepdim=True)
        out = apart / (apart.square().mean(dim=1, keepdim=True) + 1e-5).sqrt()
        out = out * net[f"{name}.norm.weight"] + net[f"{name}.norm.bias"]
    return out.view(len(maps), 4, -1)


def _shortcut(net: Net, name: str, rows: Tensor) -> Tensor:
    layers = net.head(f"{name}.layers", rows, "linear norm relu affine")
    return layers + affine(net, f"{name}.shortcut", rows)


def adamw_on_matrices_8_999(
    weight: Tensor, grad: Tensor, state: dict[str, Tensor], lr: float, decay: float
) -> Tensor:
    """AdamW with a first moment over five steps, without decay of biases and norms."""
    zero = torch.zeros_like(grad)
    state["t"] = state.get("t", torch.zeros(())) + 1
    state["m"] = 0.8 * state.get("m", zero) + 0.2 * grad
    state["v"] = 0.999 * state.get("v", zero) + 0.001 * grad.square()
    t = int(state["t"])
    first, second = state["m"] / (1 - 0.8**t), state["v"] / (1 - 0.999**t)
    decay = decay if weight.ndim > 1 else 0.0
    return weight - lr * decay * weight - lr * first / (second.sqrt() + 1e-8)


def cpc(run: Run) -> Iterator[Tensor]:
    """Van den Oord et al., 2018, Eq. 4, with 3 x 3 patches and an offset of two rows."""
    moves = Moves(run.student, adamw_on_matrices, decay=0.0)
    for step in run.steps:
        net, images = run.student, step.views["a"]
        # Patch by patch and image by image, as a batch norm sees them together.
        cut = [
            image[:, 8 * y : 8 * y + 16, 8 * x : 8 * x + 16]
            for y, x in itertools.product(range(3), range(3))
            for image in images
        ]
        features = net.feature(torch.stack(cut)).view(3, 3, len(images), -1)
        drawn = step.patches(len(images), 9)
        losses = []
        for n in range(len(images)):
            own = features[:, :, n]
            for way, grid in (("down", own), ("up", own.flip(0))):
                context = _context(net, way, grid)
                # Rows of the grid that is looked at; patches of images are counted downwards.
                for column in range(3):
                    query = net[f"{way}_2.weight"] @ context[0, column]
                    target = (2 if way == "down" else 0, column)
                    scores = [query @ features[(*target, n)]]
                    scores += [
                        query @ features[(*divmod(number, 3), m)]
                        for m in range(len(images))
                        for number in drawn[m]
                        if (m, *divmod(number, 3)) != (n, *target)
                    ]
                    losses.append(cross_entropy(torch.stack(scores), 0))
        loss = mean(losses)  # both directions have as many
        moves(loss, warm_cosine(step, 2e-4))
        yield loss


def _context(net: Net, way: str, grid: Tensor) -> Tensor:
    """Two blocks, by loops over places: a patch sees its neighbours in its row and above."""
    for block in range(2):
        name = f"{way}.blocks.{block}"
        inner = _conv(net, f"{name}.0", {(0, 0): (0, 0)}, grid).relu()
        inner = _conv(
            net, f"{name}.2", {(0, -1): (0, 0), (0, 0): (0, 1), (0, 1): (0, 2)}, inner
        )
        inner = _conv(net, f"{name}.4", {(-1, 0): (0, 0), (0, 0): (1, 0)}, inner).relu()
        grid = (grid + _conv(net, f"{name}.6", {(0, 0): (0, 0)}, inner)).relu()
    return grid


def _conv(
    net: Net, name: str, taps: Mapping[tuple[int, int], tuple[int, int]], grid: Tensor
) -> Tensor:
    """A sum over the places that a tap shows, by where they lie from the place itself."""
    weight, rows = net[f"{name}.weight"], []
    for y, x in itertools.product(range(3), range(3)):
        out = net[f"{name}.bias"]
        for (down, right), (i, j) in taps.items():
            if 0 <= y + down < 3 and 0 <= x + right < 3:
                out = out + weight[:, :, i, j] @ grid[y + down, x + right]
        rows.append(out)
    return torch.stack(rows).view(3, 3, -1)
