"""Training, embedding and search with scikit-learn's manners."""

from ilk.learner.learner import Learner
from ilk.learner.neighbours import NearestNeighbors
from ilk.learner.work import NotFitted

__all__ = ["Learner", "NearestNeighbors", "NotFitted"]
