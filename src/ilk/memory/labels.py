"""A pseudo-label for every item, predicted by the network. Axes: M items, N rows, K classes."""

from collections.abc import Mapping

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from ilk.core import Progress, Rows, full, seeding
from ilk.memory.agreement import mutual_information
from ilk.memory.bank import last_of
from ilk.memory.clusters import require_items


class Labels(nn.Module):
    """The network's prediction for each item, as of the beginning of the epoch.

    UIC, Chen et al., ECCV workshops 2020, https://arxiv.org/abs/2006.11480. Labels begin at
    random. At the beginning of an epoch every empty class takes half of the largest one.

    Args:
        classes: K.
        items: M, the number of items of the data set.

    Raises:
        UserError: more classes than items.
    """

    labels: Int[Tensor, " M"]
    coming: Int[Tensor, " M"]
    rarity: Float[Tensor, " K"]
    agreement: Float[Tensor, ""]

    def __init__(self, classes: int, items: int) -> None:
        super().__init__()
        require_items("Labels", classes, items)
        self.items = items
        chance = torch.Generator().manual_seed(0)
        drawn = torch.randint(classes, (items,), generator=chance, device="cpu")
        # A device that is set for building, such as one without memory, holds for them too.
        self.register_buffer("labels", drawn.to(torch.empty(()).device))  # of this epoch
        self.register_buffer("coming", self.labels.clone())  # of the next
        # M / (K * size) of each class: weights rows as if classes were sampled uniformly.
        self.register_buffer("rarity", torch.ones(classes))
        self.register_buffer("agreement", torch.zeros(()))  # NMI with the labels before

    @torch.no_grad()
    def refresh(self, memories: Mapping[str, nn.Module], progress: Progress, seed: int) -> None:
        """Make the last epoch's predictions this epoch's labels; the same on all ranks."""
        if not progress.begins_epoch:
            return
        key = seeding.integer(seed, progress.step, "labels")
        filled = refilled(self.coming.cpu().numpy(), len(self.rarity), key)
        self.coming.copy_(torch.from_numpy(filled))
        self.agreement.fill_(mutual_information(self.labels, self.coming))
        self.labels.copy_(self.coming)
        sizes = torch.bincount(self.labels, minlength=len(self.rarity))
        self.rarity.copy_(len(self.labels) / (len(sizes) * sizes))

    @torch.no_grad()
    def remember(self, rows: Rows) -> None:
        """Keep the predicted class of each row as the coming label of its first source.

        Args:
            rows: scores over classes; of several rows of one item the last one counts.
        """
        items = rows.composition.sources[:, 0]
        self.coming[items] = full(rows.vectors).argmax(dim=1)[last_of(items)]


def refilled(labels: Int[np.ndarray, " M"], classes: int, seed: int) -> Int[np.ndarray, " M"]:
    """The same labels without empty classes: each, in order, takes half of the largest class.

    The largest, the first one where several are, keeps the smaller half of its shuffled
    members. Nothing is empty afterwards as long as there are no more classes than labels.

    Args:
        labels: from 0 to classes - 1; stays as it is.
        classes: K.
        seed: of the shuffling.

    Example:
        >>> sorted(refilled(np.array([0, 0, 0, 0]), classes=2, seed=0).tolist())
        [0, 0, 1, 1]
    """
    labels = labels.copy()
    sizes = np.bincount(labels, minlength=classes)
    for empty in np.flatnonzero(sizes == 0):
        largest = int(sizes.argmax())
        members = np.flatnonzero(labels == largest)
        order = seeding.permutation(seed, int(empty), len(members))
        moved = members[order[len(members) // 2 :]]
        labels[moved] = empty
        sizes[largest], sizes[empty] = len(members) - len(moved), len(moved)
    return labels
