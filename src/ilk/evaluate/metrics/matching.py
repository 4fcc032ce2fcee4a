"""Which class a cluster stands for. Axes: N items, K clusters and classes."""

import numpy as np
from jaxtyping import Int64
from scipy.optimize import linear_sum_assignment


def matched(
    clusters: Int64[np.ndarray, " N"], labels: Int64[np.ndarray, " N"]
) -> Int64[np.ndarray, " K"]:
    """The class of each cluster: of all one-to-one assignments the one with most items right.

    The Hungarian method, Kuhn 1955. Where there are more clusters than classes, those left over
    stand for none.

    Args:
        clusters: of each item, non-negative.
        labels: of each item, non-negative.

    Returns:
        For every cluster up to the largest its class, or -1.
    """
    table = np.zeros((clusters.max() + 1, labels.max() + 1), np.int64)
    np.add.at(table, (clusters, labels), 1)
    rows, columns = linear_sum_assignment(table, maximize=True)
    classes = np.full(len(table), -1, np.int64)
    classes[rows] = columns
    return classes
