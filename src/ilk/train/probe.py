"""Online k-NN: how well the encoder sorts a held-out part of the training data.

Test data is never looked at here.
"""

from collections.abc import Callable

import numpy as np
import torch

from ilk.core import seeding
from ilk.data import Source, Subset, labels
from ilk.embedding import Embeddings, embed, knn_accuracy
from ilk.networks import Encoder

GALLERY, QUERIES = 2000, 500
NEIGHBOURS, TEMPERATURE = 20, 0.07


def online_probe(
    source: Source, *, seed: int, workers: int, device: torch.device
) -> Callable[[Encoder], float] | None:
    """A function from an encoder to its k-NN accuracy; None when fewer than two classes exist.

    Up to 2000 labelled training items are the gallery and up to 500 others the queries.
    """
    known = np.flatnonzero(labels(source) >= 0)
    if len(known) < 10 or len(np.unique(labels(source)[known])) < 2:
        return None
    order = known[seeding.permutation(seed, 0, len(known))]
    queries = min(QUERIES, len(order) // 5)
    parts = Subset(source, order[:queries]), Subset(source, order[queries : queries + GALLERY])

    def score(encoder: Encoder) -> float:
        asked, known_rows = (_embedded(encoder, part, workers, device) for part in parts)
        return knn_accuracy(
            torch.from_numpy(known_rows.vectors),
            torch.from_numpy(known_rows.labels),
            torch.from_numpy(asked.vectors),
            torch.from_numpy(asked.labels),
            k=NEIGHBOURS,
            temperature=TEMPERATURE,
            classes=len(source.classes),
        )

    return score


def _embedded(encoder: Encoder, part: Subset, workers: int, device: torch.device) -> Embeddings:
    return embed(encoder, part, device=str(device), workers=workers)
