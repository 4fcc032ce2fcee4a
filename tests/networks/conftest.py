"""Small networks for the tests of this folder."""

from collections.abc import Callable, Mapping

import pytest
import torch
from torch import nn

from ilk.networks import Encoder, Head, Network, Prototypes, backbone, mlp

TINY_VIT = {"patch_size": 8, "embed_dim": 32, "depth": 1, "num_heads": 2}
TINY_CONV = {"widths": (8, 16), "depths": (1, 1)}
STATISTICS = ((0.5, 0.4, 0.3), (0.2, 0.25, 0.3))


@pytest.fixture
def vit() -> nn.Module:
    """A vision transformer of one block for 32 px."""
    torch.manual_seed(0)
    return backbone("vit_tiny_patch16_224", image_size=32, options=TINY_VIT)


@pytest.fixture
def conv() -> nn.Module:
    """A convolutional network of two blocks for 32 px."""
    torch.manual_seed(0)
    return backbone("resnet_mini", image_size=32, options=TINY_CONV)


@pytest.fixture
def network(conv: nn.Module) -> Network:
    """It with the heads that most methods have."""
    return Network(
        conv,
        {
            "projector": Head(mlp(16, 12, 8, layers=2, last_batch_norm="plain")),
            "predictor": Head(mlp(8, 12, 8, layers=2), on="projector", teacher=False),
            "prototypes": Head(Prototypes(8, 5, learn_scale=True), on="projector"),
        },
    )


@pytest.fixture
def encoder_of() -> Callable[..., Encoder]:
    """Makes an untrained encoder whose batch norms have seen images."""

    def make(
        name: str,
        options: Mapping[str, object],
        *,
        image_size: int = 32,
        channels: int = 3,
        seed: int = 0,
    ) -> Encoder:
        torch.manual_seed(seed)
        module = backbone(name, image_size=image_size, channels=channels, options=options)
        module(torch.randn(16, channels, image_size, image_size))
        known = STATISTICS if channels == 3 else ((0.5,) * channels, (0.25,) * channels)
        return Encoder.of(
            module,
            name=name,
            options=options,
            image_size=image_size,
            channels=channels,
            statistics=known,
        )

    return make
