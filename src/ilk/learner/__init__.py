"""Training, embedding and search with scikit-learn's manners."""

from ilk.learner.learner import Learner, NotFitted
from ilk.learner.neighbours import NearestNeighbors

__all__ = ["Learner", "NearestNeighbors", "NotFitted"]
