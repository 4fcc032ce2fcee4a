"""Which classes are found, and what they are taken for. Axes: N items, C classes."""

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Int64
from torch import Tensor

WHOLE = 30  # classes up to which the whole matrix is kept
MOST = 20  # pairs of confused classes that are kept


def by_class(
    predicted: Int64[Tensor, " N"], labels: Int64[Tensor, " N"], classes: Sequence[str]
) -> dict[str, object]:
    """Accuracy by class and the most frequent confusions, as JSON can hold them.

    Args:
        predicted: class of each test item by the classifier, in [0, C).
        labels: its class, in [0, C).
        classes: names.

    Returns:
        ``by class`` with name, images and correct ones of each class that occurs;
        ``confused`` with the 20 most frequent pairs of different classes; and ``confusion``,
        images by true class (rows) and predicted class (columns), of 30 classes at most.
    """
    count = len(classes)
    pairs = torch.bincount(labels * count + predicted, minlength=count**2)
    matrix = pairs.view(count, count).cpu().numpy()
    images, right = matrix.sum(1), matrix.diagonal()
    wrong = matrix - np.diag(right)
    order = np.argsort(-wrong, axis=None, kind="stable")[:MOST]
    found: dict[str, object] = {
        "by class": [
            {"name": name, "images": int(images[c]), "correct": int(right[c])}
            for c, name in enumerate(classes)
            if images[c]
        ],
        "confused": [
            {"true": classes[t], "predicted": classes[p], "images": int(wrong[t, p])}
            for t, p in zip(*np.unravel_index(order, wrong.shape), strict=True)
            if wrong[t, p]
        ],
    }
    if count <= WHOLE:
        found["confusion"] = {"classes": list(classes), "images": matrix.tolist()}
    return found
