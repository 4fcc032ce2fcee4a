"""A part of the training set put aside, to choose settings on. Axis: N items."""

import numpy as np
import torch
from jaxtyping import Bool, Int64
from torch import Tensor

from ilk.core.seeding import uniforms


def held_out(labels: Int64[Tensor, " N"], share: float, seed: int) -> Bool[Tensor, " N"]:
    """Which items are put aside: ``share`` of every class, rounded, drawn by ``seed``.

    A class of two or more items has at least one on either side; a class of one stays in.

    Args:
        labels: non-negative.
        share: in (0, 1).
        seed: another seed, another draw.
    """
    known = labels.cpu().numpy()
    chance = uniforms(seed, 0, np.arange(len(known)), "evaluate/held-out", 1)[:, 0]
    order = np.lexsort((chance, known))  # by class, by chance within
    _, firsts, sizes = np.unique(known[order], return_index=True, return_counts=True)
    wanted = np.clip(np.rint(share * sizes), 1, np.maximum(sizes - 1, 0))
    place = np.arange(len(known)) - np.repeat(firsts, sizes)
    aside = np.zeros(len(known), dtype=bool)
    aside[order] = place < np.repeat(np.where(sizes > 1, wanted, 0), sizes)
    return torch.from_numpy(aside).to(labels.device)
