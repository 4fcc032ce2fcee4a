"""What batch norms know of the data: running statistics, kept as they are or measured."""

import copy
from collections.abc import Generator, Iterable
from contextlib import contextmanager

from torch import Tensor, nn
from torch.optim.swa_utils import update_bn


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


def with_measured_statistics(network: nn.Module, batches: Iterable[Tensor]) -> nn.Module:
    """A copy whose batch norms know the mean statistics of some batches, and no others.

    An average of weights never saw a batch, and the statistics of the weights that it is the
    mean of are not its own (Izmailov et al., UAI 2018, https://arxiv.org/abs/1803.05407,
    section 3.2).

    Args:
        network: stays as it is; the copy is in its mode.
        batches: of what it reads, on its device; dropout is active while it reads them.
    """
    measured = copy.deepcopy(network)
    update_bn(batches, measured)
    return measured
