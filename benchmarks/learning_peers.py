"""SimCLR, BYOL and MoCo of lightly, trained for a time on a folder: ``benchmarks.learning``.

The steps are those of lightly's pages on the three methods (docs.lightly.ai/examples): its
views of 32 pixels without blur, its heads at their widths, its losses, plain SGD at 0.06 with
256 images. ``cifar`` goes by its CIFAR-10 benchmark instead: momentum 0.9, decay 5e-4 and a
rate of 0.06 for 128 images that falls as a cosine, all of which the pages leave out, a copy
that follows with 0.99, weaker colours, and for MoCo both directions at a temperature of 0.1.
Where they count epochs, the share of the time that is over is taken.
"""

import argparse
import copy
import json
import math
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from lightly.data import LightlyDataset
from lightly.loss import NegativeCosineSimilarity, NTXentLoss
from lightly.models.modules import (
    BYOLPredictionHead,
    BYOLProjectionHead,
    MoCoProjectionHead,
    SimCLRProjectionHead,
)
from lightly.models.utils import deactivate_requires_grad, update_momentum
from lightly.transforms import MoCoV2Transform, SimCLRTransform
from lightly.transforms.byol_transform import (
    BYOLTransform,
    BYOLView1Transform,
    BYOLView2Transform,
)
from lightly.utils.scheduler import cosine_schedule
from torch import Tensor, nn

from ilk.networks import Encoder, backbone, save_encoder
from ilk.views import moments

SIZE = 32
SAVING = 1.0  # seconds that are kept for what follows the last step
TICKS = 10_000  # of the schedules, in place of epochs
Views = tuple[Tensor, Tensor]


@dataclass(frozen=True)
class Peer:
    """A method put together.

    Args:
        transform: makes two views of an image.
        modules: those whose parameters learn.
        slow: pairs of a module and its copy that follows it.
        loss: what two views cost.
    """

    transform: Callable[[Any], list[Tensor]]
    modules: nn.ModuleList
    slow: tuple[tuple[nn.Module, nn.Module], ...]
    loss: Callable[[Views], Tensor]


def simclr(trunk: nn.Module, width: int, cifar: bool) -> Peer:
    """Two views of an image are positives, all others of the batch negatives."""
    head, criterion = SimCLRProjectionHead(width, width, 128), NTXentLoss()

    def loss(views: Views) -> Tensor:
        return criterion(*(head(trunk(view).flatten(start_dim=1)) for view in views))

    return Peer(_views(cifar), nn.ModuleList([trunk, head]), (), loss)


def byol(trunk: nn.Module, width: int, cifar: bool) -> Peer:
    """Each view predicts the other one of a slow copy; views are the same in both."""
    head, predict = BYOLProjectionHead(width, 1024, 256), BYOLPredictionHead(256, 1024, 256)
    slow = tuple((module, _frozen(module)) for module in (trunk, head))
    criterion = NegativeCosineSimilarity()

    def loss(views: Views) -> Tensor:
        asked = [predict(head(trunk(view).flatten(start_dim=1))) for view in views]
        with torch.no_grad():
            keys = [slow[1][1](slow[0][1](view).flatten(start_dim=1)) for view in views]
        return 0.5 * (criterion(asked[0], keys[1]) + criterion(asked[1], keys[0]))

    made = BYOLTransform(
        BYOLView1Transform(input_size=SIZE, gaussian_blur=0.0),
        BYOLView2Transform(input_size=SIZE, gaussian_blur=0.0),
    )
    return Peer(made, nn.ModuleList([trunk, head, predict]), slow, loss)


def moco(trunk: nn.Module, width: int, cifar: bool) -> Peer:
    """The other view's key is the positive, 4,096 keys of the past are negatives."""
    head = MoCoProjectionHead(width, width, 128)
    slow = tuple((module, _frozen(module)) for module in (trunk, head))
    temperature = 0.1 if cifar else 0.5
    criterion = NTXentLoss(temperature=temperature, memory_bank_size=(4096, 128))

    def one(asked: Tensor, key: Tensor) -> Tensor:
        query = head(trunk(asked).flatten(start_dim=1))
        with torch.no_grad():
            key = slow[1][1](slow[0][1](key).flatten(start_dim=1))
        return criterion(query, key)

    def loss(views: Views) -> Tensor:
        return 0.5 * (one(*views) + one(*views[::-1])) if cifar else one(*views)

    page = MoCoV2Transform(input_size=SIZE, gaussian_blur=0.0)
    made = _views(cifar) if cifar else page
    return Peer(made, nn.ModuleList([trunk, head]), slow, loss)


def _views(cifar: bool) -> SimCLRTransform:
    strength = 0.5 if cifar else 1.0
    return SimCLRTransform(input_size=SIZE, gaussian_blur=0.0, cj_strength=strength)


PEERS = {"simclr": simclr, "byol": byol, "moco": moco}


def trained(asked: argparse.Namespace) -> int:
    """Train until the time is over, keep the encoder, and count the images seen."""
    torch.manual_seed(asked.seed)
    trunk = backbone(asked.backbone, image_size=SIZE)
    peer = PEERS[asked.method](trunk, int(trunk.num_features), asked.cifar)
    learning = peer.modules.parameters()
    batch, rate = (128, 0.06) if asked.cifar else (256, 0.06)
    further = {"momentum": 0.9, "weight_decay": 5e-4} if asked.cifar else {}
    optimiser = torch.optim.SGD(learning, lr=rate, **further)
    seen, whole = 0, 60 * asked.minutes - SAVING
    for views in _batches(peer, asked.folder, batch):
        over = (time.time() - asked.began) / whole
        if over >= 1:
            break
        if asked.cifar:
            optimiser.param_groups[0]["lr"] = rate * (1 + math.cos(math.pi * over)) / 2
        momentum = 0.99 if asked.cifar else cosine_schedule(int(over * TICKS), TICKS, 0.996, 1)
        for module, follower in peer.slow:
            update_momentum(module, follower, m=momentum)
        peer.loss(views).backward()
        optimiser.step()
        optimiser.zero_grad()
        seen += len(views[0])
    encoder = Encoder.of(
        trunk, name=asked.backbone, options={}, image_size=SIZE, channels=3,
        statistics=moments(3),
    )  # fmt: skip
    save_encoder(encoder, asked.output)
    return seen


def _batches(peer: Peer, folder: Path, batch: int) -> Iterator[Views]:
    """Two views of each image, again and again."""
    data = LightlyDataset(str(folder), transform=peer.transform)
    loader: Iterable[Any] = torch.utils.data.DataLoader(
        data, batch_size=min(batch, len(data)), shuffle=True, drop_last=True, num_workers=2,
        persistent_workers=True,
    )  # fmt: skip
    while True:
        for content in loader:
            yield content[0][0], content[0][1]


def _frozen(network: nn.Module) -> nn.Module:
    slow = copy.deepcopy(network)
    deactivate_requires_grad(slow)
    return slow


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("method", choices=PEERS)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--minutes", type=float, required=True)
    parser.add_argument("--began", type=float, required=True, help="time.time() of the call")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--backbone", default="resnet_mini")
    parser.add_argument("--cifar", action="store_true", help="optimiser of their benchmark")
    chosen = parser.parse_args()
    chosen.output.mkdir(parents=True)
    count = trained(chosen)
    (chosen.output / "seen.json").write_text(json.dumps({"images_seen": count}))
