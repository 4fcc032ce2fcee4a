"""Learn, from images nobody labelled, which images are of the same ilk."""

from ilk.core.version import VERSION as __version__
from ilk.learner import Learner

__all__ = ["Learner", "__version__"]
