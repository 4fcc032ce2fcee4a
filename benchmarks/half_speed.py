"""Passes of networks in bfloat16 beside the same in single precision, on a processor."""

from typing import Any

import torch
from torch import nn

from benchmarks.step_speed import Work, compared, interleaved
from ilk.networks import backbone, fast_in_bfloat16, fastest_layout
from ilk.train.devices import has_bfloat16

NETWORKS = (  # pixels and images
    ("resnet_mini", 32, 128),
    ("resnet_mini", 64, 32),
    ("resnet18", 64, 32),
    ("resnet50", 224, 4),
    ("resnext50_32x4d", 224, 4),
    ("vit_tiny_patch16_224", 224, 8),
    ("vit_small_patch16_224", 224, 4),
    ("swin_tiny_patch4_window7_224", 224, 4),
    ("convnext_tiny", 224, 4),
    ("efficientnet_lite0", 224, 8),
    ("mobilenetv3_large_100", 224, 8),
    ("vit_mini", 32, 128),
)


def rows(runs: int) -> list[dict[str, Any]]:
    """A row for each network, with what is chosen for it when the precision is open."""
    return [row(*network, runs) for network in NETWORKS]


def row(name: str, size: int, count: int, runs: int) -> dict[str, Any]:
    """How many times as fast a forward and backward pass is in bfloat16."""
    work, against = f"`{name}` at {size} px", "single precision"
    if not has_bfloat16():
        absent = "this processor has no instructions for bfloat16"
        return {"work": work, "against": against, "at_least": 1.0, "skipped": absent}
    torch.manual_seed(0)
    network = backbone(name, image_size=size)
    layout = fastest_layout(network)
    network = network.to(memory_format=layout)
    images = torch.randn(count, 3, size, size).to(memory_format=layout)
    works = {str(half): passes(network, images, half=half) for half in (False, True)}
    spent = interleaved(works, max(runs // 3, 3))
    found = compared(work, spent["True"], against, spent["False"], at_least=1.0)
    return found | {"images": count, "chosen": fast_in_bfloat16(network)}


def passes(network: nn.Module, images: torch.Tensor, *, half: bool) -> Work:
    """A forward and a backward pass."""

    def work() -> None:
        with torch.autocast("cpu", torch.bfloat16, enabled=half):
            features = network(images)
        features.float().square().mean().backward()

    return work
