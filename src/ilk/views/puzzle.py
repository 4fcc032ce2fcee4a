"""Puzzle Mix: which image each block shows is optimised, and where its blocks lie.

Kim, Choo and Song, ICML 2020, https://arxiv.org/abs/2009.06962, with the constants of the
authors' code. All of it is on the host, pair by pair.
Axes: R pairs, C channels, n blocks of a side, N = n * n blocks.
"""

import math
from functools import lru_cache

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Float64, Int
from scipy.optimize import linear_sum_assignment
from scipy.sparse import csr_array
from scipy.sparse.csgraph import breadth_first_order, maximum_flow
from torch import Tensor

from ilk.core import UserError, full
from ilk.views.peaks import conspicuity

LEVELS = 3  # an image's share of a block is 0, 1/2 or 1
SMOOTH, ALIKE, PRIOR, DISTANCE = 1.2, 0.5, 0.2, 0.8  # beta, gamma, eta, epsilon
NEAR = 4  # pixels of a side of what is compared at borders of blocks
RANGE = 4  # standard deviations of pixels from black to white, about
EXACT = 2**20  # of a unit of energy: whole numbers are minimised


def puzzles(
    first: Float[Tensor, "R C *spatial"],
    second: Float[Tensor, "R C *spatial"],
    share: Float64[np.ndarray, " R"],
    *,
    blocks: int,
) -> tuple[Float[Tensor, "R C *spatial"], Float64[np.ndarray, " R"]]:
    """Mixed images, and the share of the first of each pair, counted in pixels.

    Args:
        first: normalised.
        second: likewise.
        share: of the first one, that is wanted.
        blocks: of a side; fewer where they do not divide height and width.

    Raises:
        UserError: items are no images whose sides are even.
    """
    count = math.gcd(blocks, *first.shape[2:])
    if first.ndim != 4 or count == 1:
        raise UserError(
            f"mix: puzzlemix must have images whose sides are even, got "
            f"{' x '.join(map(str, first.shape[2:]))}; leave it out of mix.strategies"
        )
    if len(first) == 0:
        return first, share
    pair = full(first).cpu(), full(second).cpu()
    pull = [_pull(full(images), count) for images in (first, second)]
    masks = cuts(pull[0], pull[1], _borders(*pair, count), share)
    one, other = (
        _moved(images, _plans(own, mask > 0))
        for images, own, mask in zip(pair, pull, (masks, 1 - masks), strict=True)
    )
    shown = torch.from_numpy(masks).to(one)[:, None]
    mixed = torch.lerp(other, one, F.interpolate(shown, first.shape[2:]))
    return mixed.to(first), masks.mean(axis=(1, 2))


def cuts(
    first: Float64[np.ndarray, "R n n"],
    second: Float64[np.ndarray, "R n n"],
    borders: tuple[Float64[np.ndarray, "R 2 2 m n"], Float64[np.ndarray, "R 2 2 n m"]],
    share: Float64[np.ndarray, " R"],
) -> Float64[np.ndarray, "R n n"]:
    """The share of the first image in each block: the least energy of all masks.

    What stands out and is hidden costs as much as it stands out; neighbours that differ cost
    the square of their difference, and more where the two images do not fit; a block's share
    is drawn towards the wanted one as if two coins were tossed.

    Args:
        first: how far its blocks stand out; sums to one.
        second: likewise.
        borders: how badly the lower and the right neighbour fit, by which image, 0 for the
            second, each of the two shows.
        share: that is wanted.
    """
    n = first.shape[1]
    unit = SMOOTH / n / 16
    down, right = (unit * ALIKE * border for border in borders)
    hidden = {1: first.copy(), 0: second.copy()}  # what an image costs where it is not shown
    for image, kept in ((0, 1), (1, 0)):  # showing one costs half of its own borders
        hidden[kept][:, :-1] += (down[:, image, 0] + down[:, image, 1]) / 2
        hidden[kept][:, 1:] += (down[:, 0, image] + down[:, 1, image]) / 2
        hidden[kept][:, :, :-1] += (right[:, image, 0] + right[:, image, 1]) / 2
        hidden[kept][:, :, 1:] += (right[:, 0, image] + right[:, 1, image]) / 2
    lower, beside = (
        np.maximum(unit + (b[:, 0, 1] + b[:, 1, 0] - b[:, 0, 0] - b[:, 1, 1]) / 2, 0)
        for b in (down, right)
    )  # never less than nothing, or energies would not be those of a cut
    levels = np.arange(LEVELS) / (LEVELS - 1)  # share of the first
    coins = np.stack([(1 - share) ** 2, 2 * share * (1 - share), share**2], 1)
    prior = -PRIOR * np.log(coins + 1e-8) / n**2
    single = (
        (1 - levels) * hidden[1][..., None] + levels * hidden[0][..., None]
        + prior[:, None, None]
    )  # fmt: skip
    found = [least(*energy) for energy in zip(single, lower, beside, strict=True)]
    return np.array(found, dtype=np.float64) / (LEVELS - 1)


def least(
    single: Float64[np.ndarray, "n n 3"],
    lower: Float64[np.ndarray, "m n"],
    beside: Float64[np.ndarray, "n m"],
) -> Int[np.ndarray, "n n"]:
    """Levels 0 to 2 of least energy: a cut of least capacity, which is exact.

    The energy is that of each block by its level, plus ``w (i - j)^2 / 4`` for neighbours of
    levels i and j. A level is two switches, "at least 1" and "at least 2" (Ishikawa, TPAMI
    2003), and ``(i - j)^2 = i^2 - 2 i + j^2 - 2 j + sum |switch - switch|`` over their four
    pairs.
    """
    n = len(single)
    weights = np.concatenate([lower.ravel(), beside.ravel()]) / 4
    tails, heads, ends = _graph(n)
    cost = single.reshape(-1, 3).copy()
    np.add.at(cost[:, 1], ends, -np.stack([weights, weights]))
    on = np.concatenate([cost[:, 1] - cost[:, 0], cost[:, 2] - cost[:, 1]])
    never = abs(on).sum() + 1
    capacities = np.concatenate(
        [np.maximum(-on, 0), np.maximum(on, 0), np.full(n * n, never), np.tile(weights, 8)]
    )
    whole = np.rint(EXACT * capacities).astype(np.int32)
    source, sink = 2 * n * n, 2 * n * n + 1
    graph = csr_array((whole, (tails, heads)), shape=(sink + 1, sink + 1))
    rest = graph - maximum_flow(graph, source, sink).flow
    rest.data = (rest.data > 0).astype(np.int32)
    rest.eliminate_zeros()
    reached = np.zeros(sink + 1, bool)
    reached[breadth_first_order(rest, source, return_predecessors=False)] = True
    return reached[: 2 * n * n].reshape(2, n, n).sum(axis=0)


@lru_cache
def _graph(
    n: int,
) -> tuple[Int[np.ndarray, " E"], Int[np.ndarray, " E"], Int[np.ndarray, "2 P"]]:
    """Tails and heads of all arcs, and both blocks of each pair of neighbours."""
    block = np.arange(n * n).reshape(n, n)
    ends = np.stack([
        np.concatenate([block[:-1].ravel(), block[:, :-1].ravel()]),
        np.concatenate([block[1:].ravel(), block[:, 1:].ravel()]),
    ])  # fmt: skip
    switches, blocks = np.arange(2 * n * n), np.arange(n * n)
    source, sink = np.full_like(switches, 2 * n * n), np.full_like(switches, 2 * n * n + 1)
    arcs = [(source, switches), (switches, sink), (blocks + n * n, blocks)]
    for one in (0, n * n):
        for other in (0, n * n):
            arcs += [(ends[0] + one, ends[1] + other), (ends[1] + other, ends[0] + one)]
    tails, heads = zip(*arcs, strict=True)
    return np.concatenate(tails), np.concatenate(heads), ends


def _pull(images: Float[Tensor, "R C H W"], n: int) -> Float64[np.ndarray, "R n n"]:
    """How far each block stands out; sums to one."""
    blocks = F.adaptive_avg_pool2d(conspicuity(images)[:, None], n)[:, 0].cpu().double().numpy()
    return blocks / np.maximum(blocks.sum(axis=(1, 2), keepdims=True), 1e-12)


def _borders(
    first: Float[Tensor, "R C H W"], second: Float[Tensor, "R C H W"], n: int
) -> tuple[Float64[np.ndarray, "R 2 2 m n"], Float64[np.ndarray, "R 2 2 n m"]]:
    """Mean differences of pixels across the borders of blocks, for each two images."""
    down, right = [
        [[_across(a, b, n, down=down) for b in (second, first)] for a in (second, first)]
        for down in (True, False)
    ]
    return np.array(down).transpose(2, 0, 1, 3, 4), np.array(right).transpose(2, 0, 1, 3, 4)


def _across(
    one: Float[Tensor, "R C H W"], other: Float[Tensor, "R C H W"], n: int, *, down: bool
) -> Float64[np.ndarray, "R m k"]:
    """Where blocks of one image end and their neighbours of the other begin."""
    if not down:
        turned = _across(one.mT, other.mT, n, down=True)
        return turned.transpose(0, 2, 1)
    height, width = (side // n for side in one.shape[2:])
    near = math.gcd(NEAR, height), math.gcd(NEAR, width)
    above, below = (F.avg_pool2d(images, near) for images in (one, other))
    gap = (above[:, :, :-1] - below[:, :, 1:]).abs().mean(dim=1) / RANGE
    ends = gap[:, height // near[0] - 1 :: height // near[0]]
    return F.avg_pool1d(ends, width // near[1]).double().numpy()


def _plans(
    pull: Float64[np.ndarray, "R n n"], shown: np.ndarray
) -> list[Int[np.ndarray, " N"]]:
    """Which block comes to each place: near ones that stand out, where the image is shown."""
    n = pull.shape[1]
    rows, columns = np.divmod(np.arange(n * n), n)
    apart = (rows[:, None] - rows) ** 2 + (columns[:, None] - columns) ** 2
    far = DISTANCE * apart / max(n - 1, 1) ** 2
    pairs = zip(pull.reshape(-1, n * n), shown.reshape(-1, n * n), strict=True)
    # Rows are places and columns the blocks that may come there.
    return [linear_sum_assignment(far - here[:, None] * own)[1] for own, here in pairs]


def _moved(
    images: Float[Tensor, "R C H W"], plans: list[Int[np.ndarray, " N"]]
) -> Float[Tensor, "R C H W"]:
    """Images whose blocks were moved."""
    n, (height, width) = math.isqrt(len(plans[0])), images.shape[2:]
    size = height // n, width // n
    blocks = F.unfold(images, size, stride=size)  # R, C * h * w, N
    order = torch.from_numpy(np.stack(plans))[:, None].expand_as(blocks)
    return F.fold(blocks.gather(2, order), (height, width), size, stride=size)
