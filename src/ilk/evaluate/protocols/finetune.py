"""The fine-tuning protocol: all weights trained end to end.

Axes: B images, N test items, C train items.
"""

from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Int64
from torch import Tensor, nn

from ilk.core import Progress, WarmCosine
from ilk.core.seeding import integer
from ilk.embedding import moved
from ilk.evaluate.protocols.heldout import held_out
from ilk.evaluate.protocols.images import in_order, view_batches
from ilk.evaluate.protocols.protocol import Images, Measured, Task, top1
from ilk.evaluate.protocols.recipe import Augmented, decayed_groups, seeded
from ilk.evaluate.protocols.sgd_heads import epochs_of
from ilk.networks import Encoder, backbone, fastest_layout
from ilk.views import Plain, normalise


@dataclass(frozen=True, kw_only=True, slots=True)
class FineTune:
    """DeiT's recipe on a copy of the encoder; the last epoch counts, nothing is chosen.

    AdamW, warm-up and half a cosine, layer-wise decay, stochastic depth, Mixup or CutMix (one
    of them a batch), label smoothing, random erasing, and ``Augmented``: Touvron et al., ICML
    2021, https://arxiv.org/abs/2012.12877, table 9, without repeated augmentation. bfloat16 on
    CUDA, else float32.

    Args:
        share: of every class of train that is used, at least one item, drawn by the seed.
        epochs: of the share.
        batch_size: at most; the last batch of an epoch keeps an even number.
        lr: peak of the head, for 512 images a batch.
        end_lr: where the cosine ends, likewise.
        warmup_epochs: linear from zero.
        weight_decay: of matrices.
        layer_decay: factor on the learning rate from each layer to the one below.
        drop_path: rate of the last block.
        mixup: alpha.
        cutmix: alpha.
        smoothing: of labels.
        erasing: probability.
    """

    share: float
    epochs: int
    batch_size: int
    lr: float
    end_lr: float
    warmup_epochs: int
    weight_decay: float
    layer_decay: float
    drop_path: float
    mixup: float
    cutmix: float
    smoothing: float
    erasing: float

    def measure(self, task: Task) -> Measured:
        """Train on the share of train, classify the test items."""
        chosen = np.arange(len(task.train))
        if self.share < 1:
            chosen = np.flatnonzero(held_out(task.train.labels, self.share, task.seed))
        selected_on = "nothing: the last epoch of a fixed recipe"
        return top1(self.correct(task, chosen), {}, selected_on, {"labels": len(chosen)})

    def correct(self, task: Task, chosen: Int64[np.ndarray, " C"]) -> Bool[Tensor, " N"]:
        """Which test items are classified correctly after training on chosen train items."""
        images = task.images
        assert images is not None
        assert images.train is not None
        network = _Classifier(copied(images.encoder, self.drop_path), len(task.classes))
        network = network.to(memory_format=fastest_layout(network))
        with moved(network, images.device) as place:
            self._train(network, task, images, chosen, place)
            return _correct(network, task, images, place)

    def _train(
        self,
        network: "_Classifier",
        task: Task,
        images: Images,
        chosen: Int64[np.ndarray, " N"],
        place: torch.device,
    ) -> None:
        batches = list(self._batches(chosen, task.seed))
        groups = decayed_groups(
            network.module, network.head,
            weight_decay=self.weight_decay, layer_decay=self.layer_decay,
        )  # fmt: skip
        optimiser = torch.optim.AdamW(groups, lr=0.0)
        factor = len(batches[0]) / 512
        schedule = WarmCosine(self.lr * factor, self.warmup_epochs, self.end_lr * factor)
        encoder, batch = images.encoder, self._batch(len(task.classes), place)
        assert images.train is not None
        loader = torch.utils.data.DataLoader(
            Augmented(images.train, encoder.image_size, encoder.channels, task.seed),
            batch_sampler=batches,
            num_workers=0 if place.type == "cpu" else images.workers,  # type: ignore[arg-type]
            multiprocessing_context=None if place.type == "cpu" else "spawn",
        )
        network.train()
        for step, views in enumerate(loader):
            items = [item for _, item in batches[step]]
            labels = task.train.labels[torch.tensor(items)].to(place)
            progress = Progress(step, len(batches), len(batches) / self.epochs)
            for group in optimiser.param_groups:
                group["lr"] = schedule(progress) * group["lr_scale"]
            pixels = normalise(views.to(place, non_blocking=True), encoder.mean, encoder.std)
            with seeded(integer(task.seed, step, "finetune/step")), _precision(place):
                pixels, targets = batch(pixels, labels)
                loss = torch.nn.functional.cross_entropy(network(pixels).float(), targets)
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            optimiser.step()
            task.tell(step + 1, len(batches))

    def _batches(
        self, chosen: Int64[np.ndarray, " N"], seed: int
    ) -> Iterator[list[tuple[int, int]]]:
        size = min(self.batch_size, len(chosen))
        for epoch, items in epochs_of(chosen, epochs=self.epochs, batch_size=size, seed=seed):
            even = len(items) // 2 * 2  # Mixup pairs the first with the last
            if even:
                yield [(epoch, int(item)) for item in items[:even]]

    def _batch(self, classes: int, place: torch.device) -> Any:
        """What turns pixels and labels of a batch into what the network sees."""
        from timm.data import Mixup
        from timm.data.random_erasing import RandomErasing

        mix = Mixup(
            self.mixup, self.cutmix, prob=1.0, switch_prob=0.5,
            label_smoothing=self.smoothing, num_classes=classes,
        )  # fmt: skip
        erase = RandomErasing(self.erasing, mode="pixel", device=str(place))
        return lambda pixels, labels: mix(erase(pixels), labels)


class _Classifier(nn.Module):
    def __init__(self, module: nn.Module, classes: int) -> None:
        super().__init__()
        self.module = module
        self.head = nn.Linear(int(module.num_features), classes)  # type: ignore[arg-type]
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.module(images))


def copied(encoder: Encoder, drop_path: float) -> nn.Module:
    """A copy of the encoder's network with its weights, stochastic depth and all gradients."""
    # The protocol's rate holds, whatever the encoder was trained with.
    options = {name: v for name, v in encoder.options.items() if name != "drop_path_rate"}
    with seeded(0):
        module = backbone(
            encoder.name, image_size=encoder.image_size, channels=encoder.channels,
            options=options, drop_path=drop_path,
        )  # fmt: skip
    module.load_state_dict(encoder.module.state_dict())
    return module


@torch.no_grad()
def _correct(
    network: _Classifier, task: Task, images: Images, place: torch.device
) -> Bool[Tensor, " N"]:
    encoder = images.encoder
    network.eval()
    found: list[Tensor] = []
    for items, views in view_batches(
        images.test, Plain(size=encoder.image_size),
        in_order(len(task.test), images.batch_size),
        channels=encoder.channels, seed=task.seed, workers=images.workers,
    ):  # fmt: skip
        with _precision(place):
            logits = network(normalise(views.to(place), encoder.mean, encoder.std))
        found.append(logits.argmax(1).cpu() == task.test.labels[torch.from_numpy(items)])
    return torch.cat(found)


def _precision(place: torch.device) -> Any:
    if place.type == "cuda":
        return torch.autocast("cuda", torch.bfloat16)
    return nullcontext()
