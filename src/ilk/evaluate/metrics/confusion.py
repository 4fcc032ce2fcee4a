"""Which classes are found, and what they are taken for. Axes: N items, C classes."""

from collections.abc import Sequence

import numpy as np
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
    true, taken = labels.cpu().numpy(), predicted.cpu().numpy()
    images = np.bincount(true, minlength=count)
    right = np.bincount(true[true == taken], minlength=count)
    # Pairs that occur: with many classes the whole matrix would not fit into memory.
    pairs, times = np.unique(true * count + taken, return_counts=True)
    wrong = pairs // count != pairs % count
    often = np.argsort(-times[wrong], kind="stable")[:MOST]
    found: dict[str, object] = {
        "by class": [
            {"name": name, "images": int(images[c]), "correct": int(right[c])}
            for c, name in enumerate(classes)
            if images[c]
        ],
        "confused": [
            {"true": classes[pair // count], "predicted": classes[pair % count], "images": n}
            for pair, n in zip(
                pairs[wrong][often].tolist(), times[wrong][often].tolist(), strict=True
            )
        ],
    }
    if count <= WHOLE:
        matrix = np.bincount(true * count + taken, minlength=count**2).reshape(count, count)
        found["confusion"] = {"classes": list(classes), "images": matrix.tolist()}
    return found
