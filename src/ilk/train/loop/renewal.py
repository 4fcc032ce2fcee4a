"""Heads of a student that are drawn again in every epoch."""

import torch

from ilk.core import Progress, seeding
from ilk.networks import Network
from ilk.train.processes.sharding import cut_like


@torch.no_grad()
def renew(
    student: Network,
    optimiser: torch.optim.Optimizer,
    progress: Progress,
    seed: int,
) -> None:
    """Put fresh weights in the heads that ask for it, in the first step of an epoch.

    They are the same on all ranks. What the optimiser knew of the old weights is forgotten. In
    the first epoch nothing happens.

    Args:
        student: whose heads may ask for it.
        optimiser: of the student.
        progress: where the run stands.
        seed: of the run.
    """
    if progress.step == 0 or not progress.begins_epoch:
        return
    for name, head in student.heads.items():
        if head.renew is None:
            continue
        torch.manual_seed(seeding.integer(seed, progress.step, f"renewed/{name}"))
        fresh = head.renew().state_dict()
        for key, now in head.module.state_dict(keep_vars=True).items():
            now.copy_(cut_like(fresh[key].to(now), now))
            optimiser.state.pop(now, None)
