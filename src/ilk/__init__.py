"""Learn, from images nobody labelled, which images are of the same ilk."""

from ilk.learner import Learner

__all__ = ["Learner"]
__version__ = "0.1.0"
