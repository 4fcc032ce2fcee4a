"""What batch norms know of the data: running statistics that stay as they are."""

from collections.abc import Generator
from contextlib import contextmanager

from torch import nn


@contextmanager
def keep_statistics(network: nn.Module) -> Generator[None]:
    """Within, batch norms in training mode use the statistics of their batch and keep none.

    So rows that the network will never be asked about, such as adversarial ones, leave no trace
    (Miyato et al., TPAMI 2018, https://arxiv.org/abs/1704.03976, in the authors' code).
    """
    tracking = [
        module
        for module in network.modules()
        if isinstance(module, nn.modules.batchnorm._BatchNorm) and module.track_running_stats
    ]
    for module in tracking:
        module.track_running_stats = False
    try:
        yield
    finally:
        for module in tracking:
            module.track_running_stats = True
