"""Slow references of ranking metrics, one query at a time."""

import numpy as np


def average_precision(relevant, total, k=None):
    """Mean precision at the places of what is relevant."""
    places = np.flatnonzero(relevant[:k]) + 1
    return sum((i + 1) / place for i, place in enumerate(places)) / min(total, k or total)


def interpolated_precision(places, total):
    """Trapezia below precision over recall, as the code of Oxford and Paris sums them."""
    area, before = 0.0, 1.0
    for found, place in enumerate(places):
        before = found / place if place else 1.0
        area += (before + (found + 1) / (place + 1)) / 2 / total
    return area
