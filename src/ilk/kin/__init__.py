"""Who is kin: rules from queries and candidates to weights and left-out pairs."""

from ilk.kin.adoption import Adopted, Guests, Past
from ilk.kin.algebra import Evenly, LeaveOut, Restrict, Union
from ilk.kin.assignment import Assigned, Sinkhorn, evened, sinkhorn
from ilk.kin.resemblance import Neighbours, SameCluster, Similar
from ilk.kin.source import Batchmates, CommonSource, Itself, SameLabel

__all__ = [
    "Adopted",
    "Assigned",
    "Batchmates",
    "CommonSource",
    "Evenly",
    "Guests",
    "Itself",
    "LeaveOut",
    "Neighbours",
    "Past",
    "Restrict",
    "SameCluster",
    "SameLabel",
    "Similar",
    "Sinkhorn",
    "Union",
    "evened",
    "sinkhorn",
]
