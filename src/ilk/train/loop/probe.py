"""Online k-NN: how well the encoder sorts a held-out part of the training data.

Test data is never looked at here.
"""

from dataclasses import dataclass

import numpy as np
import torch

from ilk.core import seeding
from ilk.data import Source, Subset, labels
from ilk.embedding import Embeddings, embed, knn_accuracy
from ilk.networks import Encoder

GALLERY, QUERIES = 2000, 500
NEIGHBOURS, TEMPERATURE = 20, 0.07


@dataclass(frozen=True, kw_only=True, slots=True)
class Probe:
    """From an encoder to its k-NN accuracy.

    Args:
        gallery: labelled images among which neighbours are looked for.
        queries: other labelled images, which are classified.
        workers: threads that read and decode.
        device: where vectors are made.
    """

    gallery: Subset
    queries: Subset
    workers: int
    device: torch.device

    def __call__(self, encoder: Encoder) -> float:
        """Accuracy in [0, 1]."""
        asked, known = (self._embedded(encoder, part) for part in (self.queries, self.gallery))
        return knn_accuracy(
            torch.from_numpy(known.vectors),
            torch.from_numpy(known.labels),
            torch.from_numpy(asked.vectors),
            torch.from_numpy(asked.labels),
            k=NEIGHBOURS,
            temperature=TEMPERATURE,
            classes=len(self.gallery.classes),
        )

    def _embedded(self, encoder: Encoder, part: Subset) -> Embeddings:
        return embed(encoder, part, device=str(self.device), workers=self.workers)


def online_probe(
    source: Source, *, seed: int, workers: int, device: torch.device
) -> Probe | None:
    """A probe on training images; None when fewer than two classes exist.

    Up to 2000 labelled training items are the gallery and up to 500 others the queries.
    """
    known = np.flatnonzero(labels(source) >= 0)
    if len(known) < 10 or len(np.unique(labels(source)[known])) < 2:
        return None
    order = known[seeding.permutation(seed, 0, len(known))]
    queries = queries_of(len(order))
    return Probe(
        gallery=Subset(source, order[queries : queries + GALLERY]),
        queries=Subset(source, order[:queries]),
        workers=workers,
        device=device,
    )


def queries_of(labelled: int) -> int:
    """How many of some labelled images are classified; the others are the gallery."""
    return min(QUERIES, labelled // 5)
