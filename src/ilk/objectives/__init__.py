"""Losses from queries, candidates and their kin."""

from ilk.objectives.average import mean_with_kin, per_rank, rows_in_all, rows_with_kin
from ilk.objectives.bounds import DonskerVaradhan, EachPositive, JensenShannon
from ilk.objectives.covariance import CovarianceContrast
from ilk.objectives.cross_entropy import SoftCrossEntropy, soft_cross_entropy_rows
from ilk.objectives.decoupled import DecoupledContrast
from ilk.objectives.distances import SmoothDistance, SquaredDistance
from ilk.objectives.divergence import Divergence, ForwardDivergence, divergence_rows
from ilk.objectives.entropy import Entropy, MeanEntropy
from ilk.objectives.gram import GramDifference
from ilk.objectives.information import ClassInformation, PairInformation
from ilk.objectives.margin import Margin
from ilk.objectives.mean_shift import MeanShift
from ilk.objectives.normal import StandardNormal
from ilk.objectives.pairs import PairClassification
from ilk.objectives.redundancy import RedundancyReduction, VarianceCovariance
from ilk.objectives.spread import KoLeo
from ilk.objectives.squared_error import SquaredError
from ilk.objectives.triplet import HardestTriplet, SemiHardTriplet
from ilk.objectives.whitening import WhitenedMeanShift, whiten

__all__ = [
    "ClassInformation",
    "CovarianceContrast",
    "DecoupledContrast",
    "Divergence",
    "DonskerVaradhan",
    "EachPositive",
    "Entropy",
    "ForwardDivergence",
    "GramDifference",
    "HardestTriplet",
    "JensenShannon",
    "KoLeo",
    "Margin",
    "MeanEntropy",
    "MeanShift",
    "PairClassification",
    "PairInformation",
    "RedundancyReduction",
    "SemiHardTriplet",
    "SmoothDistance",
    "SoftCrossEntropy",
    "SquaredDistance",
    "SquaredError",
    "StandardNormal",
    "VarianceCovariance",
    "WhitenedMeanShift",
    "divergence_rows",
    "mean_with_kin",
    "per_rank",
    "rows_in_all",
    "rows_with_kin",
    "soft_cross_entropy_rows",
    "whiten",
]
