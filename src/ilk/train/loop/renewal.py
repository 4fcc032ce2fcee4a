"""Parts of a student that are drawn again in every epoch."""

from collections.abc import Callable, Mapping

import torch
from torch import nn

from ilk.core import Progress, seeding
from ilk.networks import Network
from ilk.train.processes.sharding import cut_like


@torch.no_grad()
def renew(
    parts: Mapping[str, Callable[[], nn.Module]],
    student: Network,
    optimiser: torch.optim.Optimizer,
    progress: Progress,
    seed: int,
) -> None:
    """Put fresh weights in some parts, in the first step of an epoch; the same on all ranks.

    What the optimiser knew of the old weights is forgotten. In the first epoch nothing happens.

    Args:
        parts: by name, and what makes each.
        student: whose parts they are.
        optimiser: of the student.
        progress: where the run stands.
        seed: of the run.
    """
    if progress.step == 0 or not progress.begins_epoch:
        return
    for name, make in parts.items():
        torch.manual_seed(seeding.integer(seed, progress.step, f"renewed/{name}"))
        fresh = make().state_dict()
        for key, now in student.parts()[name].state_dict(keep_vars=True).items():
            now.copy_(cut_like(fresh[key].to(now), now))
            optimiser.state.pop(now, None)
