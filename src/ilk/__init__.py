"""Learn, from images nobody labelled, which images are of the same ilk."""

from ilk.core.version import VERSION
from ilk.learner import Learner

__all__ = ["Learner"]
__version__ = VERSION
