"""Kin rules: from queries and candidates to weights and ignored pairs."""

from ilk.kin.added import Added, AddedFromMemory, Past
from ilk.kin.algebra import (
    Evenly,
    LeaveOut,
    OrElse,
    Restrict,
    Smoothed,
    Union,
    Without,
    decides_kin,
    leave_out,
    restrict,
    union,
)
from ilk.kin.aligned import AtOffset, Counterpart
from ilk.kin.annealed import Unlearned
from ilk.kin.assignment import Assigned, Sinkhorn, sinkhorn, with_even_weights
from ilk.kin.classes import KnownClass, KnownOrPredicted, Predicted, sharpen, spread_classes
from ilk.kin.clusters import Clustermates, DrawnMates, OwnClass, OwnCluster
from ilk.kin.colours import OwnColour, colour_bins
from ilk.kin.curriculum import PredictedByCurriculum
from ilk.kin.marked import MarkedDifferent
from ilk.kin.memories import HasRows, memory_of
from ilk.kin.negatives import HardMixes, RowByRow, Sampled
from ilk.kin.places import AgainstMemory, NearestByFeature, NearestByPlace
from ilk.kin.predictions import PastPrediction
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
    Itself,
    LargestSource,
    OwnItem,
    SameLabel,
    among_batchmates,
)
from ilk.kin.task import OwnPlace, OwnTask

__all__ = [
    "Added",
    "AddedFromMemory",
    "AgainstMemory",
    "Assigned",
    "AtOffset",
    "Batchmates",
    "Clustermates",
    "CommonSource",
    "Counterpart",
    "DrawnMates",
    "Evenly",
    "FormerNeighbours",
    "HardMixes",
    "HasRows",
    "Itself",
    "KnownClass",
    "KnownOrPredicted",
    "LargestSource",
    "LeaveOut",
    "MarkedDifferent",
    "NearestByFeature",
    "NearestByPlace",
    "Neighbours",
    "OrElse",
    "OwnClass",
    "OwnCluster",
    "OwnColour",
    "OwnItem",
    "OwnPlace",
    "OwnTask",
    "Past",
    "PastPrediction",
    "Predicted",
    "PredictedByCurriculum",
    "Restrict",
    "RowByRow",
    "SameCluster",
    "SameLabel",
    "Sampled",
    "Similar",
    "Sinkhorn",
    "Smoothed",
    "SoftNeighbours",
    "SurePairs",
    "Union",
    "Unlearned",
    "Without",
    "among_batchmates",
    "colour_bins",
    "decides_kin",
    "leave_out",
    "memory_of",
    "restrict",
    "sharpen",
    "sinkhorn",
    "spread_classes",
    "union",
    "with_even_weights",
]
