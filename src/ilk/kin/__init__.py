"""Who is kin: rules from queries and candidates to weights and left-out pairs."""

from ilk.kin.adoption import Adopted, Guests, Past
from ilk.kin.algebra import Evenly, LeaveOut, OrElse, Restrict, Union
from ilk.kin.assignment import Assigned, Sinkhorn, evened, sinkhorn
from ilk.kin.clusters import Clustermates, DrawnMates, OwnClass, OwnCluster
from ilk.kin.foreign import HardMixes, RowByRow, Sampled
from ilk.kin.resemblance import (
    FormerNeighbours,
    Neighbours,
    SameCluster,
    Similar,
    SoftNeighbours,
    SurePairs,
)
from ilk.kin.source import (
    Batchmates,
    CommonSource,
    Foremost,
    Itself,
    SameLabel,
    among_batchmates,
)

__all__ = [
    "Adopted",
    "Assigned",
    "Batchmates",
    "Clustermates",
    "CommonSource",
    "DrawnMates",
    "Evenly",
    "Foremost",
    "FormerNeighbours",
    "Guests",
    "HardMixes",
    "Itself",
    "LeaveOut",
    "Neighbours",
    "OrElse",
    "OwnClass",
    "OwnCluster",
    "Past",
    "Restrict",
    "RowByRow",
    "SameCluster",
    "SameLabel",
    "Sampled",
    "Similar",
    "Sinkhorn",
    "SoftNeighbours",
    "SurePairs",
    "Union",
    "among_batchmates",
    "evened",
    "sinkhorn",
]
