"""Who is kin: rules from queries and candidates to weights and left-out pairs."""

from ilk.kin.algebra import Evenly, LeaveOut, OrElse, Restrict, Union
from ilk.kin.assignment import Assigned, Sinkhorn, evened, sinkhorn
from ilk.kin.resemblance import (
    FormerNeighbours,
    Neighbours,
    SameCluster,
    Similar,
    SoftNeighbours,
)
from ilk.kin.source import Batchmates, CommonSource, Itself, SameLabel

__all__ = [
    "Assigned",
    "Batchmates",
    "CommonSource",
    "Evenly",
    "FormerNeighbours",
    "Itself",
    "LeaveOut",
    "Neighbours",
    "OrElse",
    "Restrict",
    "SameCluster",
    "SameLabel",
    "Similar",
    "Sinkhorn",
    "SoftNeighbours",
    "Union",
    "evened",
    "sinkhorn",
]
