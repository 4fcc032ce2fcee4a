"""What a method remembers from step to step; all of it in buffers, so a resumed run agrees.

Every memory has ``remember(rows)``, to be called once a step after backward.
"""

from ilk.memory.bank import Bank
from ilk.memory.centre import Centre
from ilk.memory.clusters import Clusters
from ilk.memory.covariance import Covariance
from ilk.memory.given import GivenClasses
from ilk.memory.history import History
from ilk.memory.labels import Labels
from ilk.memory.online import OnlineClusters
from ilk.memory.predictions import Predictions
from ilk.memory.queue import Queue
from ilk.memory.status import LearningStatus
from ilk.memory.strengths import OperationRates
from ilk.memory.whitened import WhitenedClusters

__all__ = [
    "Bank",
    "Centre",
    "Clusters",
    "Covariance",
    "GivenClasses",
    "History",
    "Labels",
    "LearningStatus",
    "OnlineClusters",
    "OperationRates",
    "Predictions",
    "Queue",
    "WhitenedClusters",
]
