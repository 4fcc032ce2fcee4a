"""Training and embedding with scikit-learn's manners."""

from ilk.learner.learner import Learner, NotFitted

__all__ = ["Learner", "NotFitted"]
