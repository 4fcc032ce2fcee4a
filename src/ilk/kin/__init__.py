"""Who is kin: rules from queries and candidates to weights and left-out pairs."""

from ilk.kin.adoption import Adopted, Guests, Past
from ilk.kin.algebra import Evenly, LeaveOut, OrElse, Restrict, Union
from ilk.kin.assignment import Assigned, Sinkhorn, evened, sinkhorn
from ilk.kin.clusters import Clustermates, OwnCluster
from ilk.kin.foreign import HardMixes, Sampled
from ilk.kin.resemblance import (
    FormerNeighbours,
    Neighbours,
    SameCluster,
    Similar,
    SoftNeighbours,
)
from ilk.kin.source import Batchmates, CommonSource, Itself, SameLabel

__all__ = [
    "Adopted",
    "Assigned",
    "Batchmates",
    "Clustermates",
    "CommonSource",
    "Evenly",
    "FormerNeighbours",
    "Guests",
    "HardMixes",
    "Itself",
    "LeaveOut",
    "Neighbours",
    "OrElse",
    "OwnCluster",
    "Past",
    "Restrict",
    "SameCluster",
    "SameLabel",
    "Sampled",
    "Similar",
    "Sinkhorn",
    "SoftNeighbours",
    "Union",
    "evened",
    "sinkhorn",
]
