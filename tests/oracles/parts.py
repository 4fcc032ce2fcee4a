"""Plain formulas that oracles share: a small network, optimisers, schedules, memories.

Nothing here comes from the library but its draws: chance is given to an oracle, as images are.
Axes: B images, N rows, D features.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from torch import Tensor

from ilk.core import hash_uniform, paired, seeding


class Net:
    """Weights by name, and what they compute in training mode.

    Args:
        weights: named as in the network that they were copied from; they are copied once more.
        learns: whether gradients are wanted, of those that have them in that network.
    """

    def __init__(self, weights: Mapping[str, Tensor], *, learns: bool) -> None:
        self.weights = {
            name: weight.detach().clone().requires_grad_(learns and weight.requires_grad)
            for name, weight in weights.items()
        }
        self.used: set[str] = set()

    def __getitem__(self, name: str) -> Tensor:
        self.used.add(name)
        return self.weights[name]

    def feature(self, images: Tensor) -> Tensor:
        """Convolution, batch norm, ReLU, convolution, mean over all places: [B, 12]."""
        first = self._convolved("backbone.body.0", images)
        second = self._convolved("backbone.body.3", self._norm("backbone.body.1", first).relu())
        return second.mean(dim=(2, 3))

    def _convolved(self, name: str, images: Tensor) -> Tensor:
        return F.conv2d(images, self[f"{name}.weight"], stride=2, padding=1)

    def _norm(self, name: str, rows: Tensor) -> Tensor:
        shape = (1, -1, *[1] * (rows.ndim - 2))
        return standard(rows) * self[f"{name}.weight"].view(shape) + self[f"{name}.bias"].view(
            shape
        )

    def head(self, part: str, rows: Tensor, layers: str) -> Tensor:
        """A head of layers that are named in order.

        ``linear`` has no bias, ``affine`` has one; ``norm`` is batch norm with a scale and a
        shift, ``scaled`` with a scale alone, ``plain`` with neither.
        """
        for number, layer in enumerate(layers.split()):
            name = f"{part}.{number}"
            if layer in ("linear", "affine"):
                rows = rows @ self[f"{name}.weight"].T
                rows = rows + self[f"{name}.bias"] if layer == "affine" else rows
            elif layer == "norm":
                rows = self._norm(name, rows)
            elif layer == "scaled":
                rows = standard(rows) * self[f"{name}.weight"]
            else:
                rows = {"plain": standard, "relu": F.relu, "gelu": F.gelu}[layer](rows)
        return rows

    @torch.no_grad()
    def follow(self, student: "Net", momentum: float) -> None:
        """``w <- m w + (1 - m) w'`` for each weight, w' being the student's."""
        for name, weight in self.weights.items():
            weight.copy_(momentum * weight + (1 - momentum) * student.weights[name])


def standard(rows: Tensor) -> Tensor:
    """Batch norm without scale and shift: each channel over all rows and places."""
    axes = [axis for axis in range(rows.ndim) if axis != 1]
    apart = rows - rows.mean(dim=axes, keepdim=True)
    return apart / (apart.square().mean(dim=axes, keepdim=True) + 1e-5).sqrt()


def unit(rows: Tensor) -> Tensor:
    """Rows of length one."""
    return rows / rows.square().sum(dim=-1, keepdim=True).sqrt()


def cross_entropy(scores: Tensor, target: Tensor | int) -> Tensor:
    """``-sum_j t_j log softmax(scores)_j`` of one row; a number is the only target."""
    logs = scores - scores.exp().sum().log()
    return -logs[target] if isinstance(target, int) else -(target * logs).sum()


def mean(losses: Iterable[Tensor]) -> Tensor:
    """The mean of numbers."""
    return torch.stack(list(losses)).mean()


def nearest(scores: Tensor, count: int) -> list[int]:
    """Places of the largest scores of one row, the largest first."""
    return sorted(range(len(scores)), key=lambda j: -scores[j].item())[:count]


def warm_cosine(step: "Step", peak: float, *, warmup: float = 0.0, end: float = 0.0) -> float:
    """A line from 0 over the epochs of a warm-up, then half a cosine to the end."""
    warm = warmup * step.per_epoch
    if step.number < warm:
        return peak * step.number / warm
    return end + (peak - end) * half_cosine((step.number - warm) / (step.steps - warm))


def half_cosine(share: float) -> float:
    """From 1 to 0."""
    return (1 + math.cos(math.pi * share)) / 2


Rule = Callable[[Tensor, Tensor, dict[str, Tensor], float, float], Tensor]


def sgd_on_matrices(
    weight: Tensor, grad: Tensor, state: dict[str, Tensor], lr: float, decay: float
) -> Tensor:
    """SGD without decay of biases and norms."""
    return sgd(weight, grad, state, lr, decay if weight.ndim > 1 else 0.0)


def sgd(
    weight: Tensor, grad: Tensor, state: dict[str, Tensor], lr: float, decay: float
) -> Tensor:
    """SGD with a momentum of 0.9 (Sutskever et al., ICML 2013) and an L2 penalty on all."""
    state["v"] = 0.9 * state.get("v", torch.zeros_like(grad)) + grad + decay * weight
    return weight - lr * state["v"]


def nesterov_on_matrices(
    weight: Tensor, grad: Tensor, state: dict[str, Tensor], lr: float, decay: float
) -> Tensor:
    """Nesterov's momentum of 0.9 as Bengio et al., 2013, Eq. 7, rewrite it."""
    grad = grad + decay * weight if weight.ndim > 1 else grad
    state["v"] = 0.9 * state.get("v", torch.zeros_like(grad)) + grad
    return weight - lr * (grad + 0.9 * state["v"])


def nesterov(
    weight: Tensor, grad: Tensor, state: dict[str, Tensor], lr: float, decay: float
) -> Tensor:
    """The same, with a decay of all weights."""
    grad = grad + decay * weight
    state["v"] = 0.9 * state.get("v", torch.zeros_like(grad)) + grad
    return weight - lr * (grad + 0.9 * state["v"])


def larc(
    weight: Tensor, grad: Tensor, state: dict[str, Tensor], lr: float, decay: float
) -> Tensor:
    """You et al., 2017, https://arxiv.org/abs/1708.03888, algorithm 1, on every weight."""
    size, slope = weight.norm(), grad.norm()
    share = 0.001 * size / (slope + decay * size + 1e-8) if size > 0 and slope > 0 else 1.0
    return sgd(weight, share * (grad + decay * weight), state, lr, 0.0)


def lars(
    weight: Tensor, grad: Tensor, state: dict[str, Tensor], lr: float, decay: float
) -> Tensor:
    """The same on matrices; biases and norms move as by SGD without decay."""
    if weight.ndim > 1:
        return larc(weight, grad, state, lr, decay)
    return sgd(weight, grad, state, lr, 0.0)


def adamw(
    weight: Tensor, grad: Tensor, state: dict[str, Tensor], lr: float, decay: float
) -> Tensor:
    """Loshchilov and Hutter, ICLR 2019, algorithm 2; decay on every weight."""
    zero = torch.zeros_like(grad)
    state["t"] = state.get("t", torch.zeros(())) + 1
    state["m"] = 0.9 * state.get("m", zero) + 0.1 * grad
    state["v"] = 0.999 * state.get("v", zero) + 0.001 * grad.square()
    t = int(state["t"])
    first, second = state["m"] / (1 - 0.9**t), state["v"] / (1 - 0.999**t)
    return weight - lr * decay * weight - lr * first / (second.sqrt() + 1e-8)


def adamw_on_matrices(
    weight: Tensor, grad: Tensor, state: dict[str, Tensor], lr: float, decay: float
) -> Tensor:
    """The same, without decay of biases and norms."""
    return adamw(weight, grad, state, lr, decay if weight.ndim > 1 else 0.0)


@dataclass
class Moves:
    """Moves the weights of a network down the gradient of a loss.

    Args:
        net: whose weights.
        rule: weight, gradient, its own state, learning rate and decay to the next weight.
        decay: of weights.
        clip: largest norm of the gradient of one weight.
    """

    net: Net
    rule: Rule
    decay: float = 0.0
    clip: float | None = None
    states: dict[str, dict[str, Tensor]] = field(default_factory=dict)

    def __call__(
        self,
        loss: Tensor,
        lr: float,
        *,
        still: str = "none",
        rates: Mapping[str, float] | None = None,
    ) -> None:
        """One step.

        Args:
            loss: to be lowered.
            lr: of all weights but those of parts that have a rate of their own.
            still: part that does not move.
            rates: learning rates by part.
        """
        names = [name for name, weight in self.net.weights.items() if weight.requires_grad]
        grads = torch.autograd.grad(loss, [self.net.weights[name] for name in names])
        for name, grad in zip(names, grads, strict=True):
            part = name.split(".")[0]
            if part == still:
                continue
            norm = grad.norm().item()
            least = 1.0 if self.clip is None else min(1.0, self.clip / (norm + 1e-6))
            weight, rate = self.net.weights[name], (rates or {}).get(part, lr)
            with torch.no_grad():
                state = self.states.setdefault(name, {})
                weight.copy_(self.rule(weight, least * grad, state, rate, self.decay))


@dataclass(frozen=True, kw_only=True)
class Step:
    """What chance and the data bring to one step.

    Args:
        number: steps taken before.
        steps: in the whole run.
        per_epoch: steps.
        items: of the images, [B].
        views: normalised images [B, 3, S, S] by name; mixed ones end in ``~``.
        made_of: items and shares of each row of a view, [B, 1 or 2] each.
        labels: of all items, -1 where none is known.
        seed: of all draws.
        hidden: whether each cell of each row of a view is hidden, of masked views by name.
        places: top, left, bottom and right edge of each row of a view, in shares of its image.
        tasks: what was done to each row, of views of which that has a class.
        asked: whether each cell is in each set that is asked for, likewise.
    """

    number: int
    steps: int
    per_epoch: int
    items: list[int]
    views: Mapping[str, Tensor]
    made_of: Mapping[str, tuple[Tensor, Tensor]]
    labels: Sequence[int]
    seed: int
    hidden: Mapping[str, list[list[bool]]] = field(default_factory=dict)
    places: Mapping[str, list[list[float]]] = field(default_factory=dict)
    tasks: Mapping[str, list[int]] = field(default_factory=dict)
    asked: Mapping[str, list[list[list[bool]]]] = field(default_factory=dict)

    @property
    def share(self) -> float:
        """Of the run that is over."""
        return self.number / self.steps

    @property
    def epoch(self) -> float:
        """Epochs that are over."""
        return self.number / self.per_epoch

    @property
    def begins_epoch(self) -> bool:
        """Whether this is the first step of an epoch."""
        return self.number % self.per_epoch == 0

    def foreigners(self, count: int) -> list[list[int]]:
        """For each image the other images of the batch that are drawn for it."""
        items = torch.tensor(self.items)
        drawn = self._uniform(paired(items, items), "foreign").fill_diagonal_(math.inf)
        return [nearest(-row, count) for row in drawn]

    def mixes(self, row: int, count: int) -> tuple[Tensor, Tensor, Tensor]:
        """Three uniform numbers for each mix of an image of view a, the first of two views."""
        numbers = paired(torch.tensor([2 * self.items[row]]), torch.arange(3 * count))
        first, second, share = self._uniform(numbers, "hard mixes")[0].double().chunk(3)
        return first, second, share

    def mate(self, item: int) -> float:
        """Which member of an item's cluster is drawn: a uniform number."""
        return self._uniform(paired(torch.tensor([item]), torch.arange(1)), "mate").item()

    def patches(self, count: int, places: int) -> list[list[int]]:
        """Two patches of each image that are negatives, one after the other by raster."""
        first = [
            int(places * self._uniform(torch.tensor([item]), "patches").item())
            for item in self.items[:count]
        ]
        return [[number, (number + 1) % places] for number in first]

    def pool_lots(self, item: int, count: int) -> list[float]:
        """A uniform number for each place of an item's pool."""
        numbers = paired(torch.tensor([item]), torch.arange(count))
        return self._uniform(numbers, "foreign")[0].tolist()

    def _uniform(self, numbers: Tensor, name: str) -> Tensor:
        return hash_uniform(numbers, seed=self.seed, step=self.number, name=name)

    def starts(self, count: int, number: int = 0) -> list[int]:
        """The order in which rows are taken as first centroids of one of some clusterings."""
        key = seeding.integer(self.seed, number, "k-means")
        return seeding.permutation(key, self.number, count).tolist()

    def online_starts(self, count: int) -> list[int]:
        """The same for clusters that are kept up to date."""
        key = seeding.integer(self.seed, self.number, "k-means")
        return seeding.permutation(key, 0, count).tolist()

    def label_order(self, empty: int, count: int) -> list[int]:
        """The order in which members of a class move to an empty one."""
        key = seeding.integer(self.seed, self.number, "labels")
        return seeding.permutation(key, empty, count).tolist()

    def chance_of(self, name: str) -> None:
        """Set torch's own generator for weights that are drawn again in this step."""
        torch.manual_seed(seeding.integer(self.seed, self.number, name))


@dataclass(frozen=True, kw_only=True)
class Run:
    """A run from its beginning; an oracle changes networks and memory as the run goes on.

    Args:
        batch: that the learning rate is scaled to.
        student: with the weights of the beginning.
        teacher: likewise; empty where there is none or it never changes.
        memory: buffers of all memories by name.
        pretrained: features of normalised images by a teacher that learned before.
        steps: what chance brings.
    """

    batch: int
    student: Net
    teacher: Net
    memory: dict[str, Tensor]
    pretrained: Callable[[Tensor], Tensor]
    steps: Sequence[Step]


def enqueue(memory: dict[str, Tensor], queue: str, rows: Tensor, items: Sequence[int]) -> None:
    """Write unit rows over the oldest entries of a queue."""
    vectors = memory[f"{queue}.vectors"]
    for row, item in zip(rows.detach(), items, strict=True):
        place = int(memory[f"{queue}.cursor"]) % len(vectors)
        vectors[place] = unit(row)
        memory[f"{queue}.sources"][place] = item
        memory[f"{queue}.cursor"] += 1


def keep(memory: dict[str, Tensor], bank: str, rows: Tensor, items: Sequence[int]) -> None:
    """Write unit rows in the place of their items."""
    for row, item in zip(rows.detach(), items, strict=True):
        memory[f"{bank}.vectors"][item] = unit(row)
        memory[f"{bank}.sources"][item] = item
