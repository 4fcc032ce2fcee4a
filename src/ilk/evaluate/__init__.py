"""Protocols that can be trusted: frozen, versioned, everything chosen on train alone."""

from ilk.evaluate.before import check_sources
from ilk.evaluate.class_map import ClassMap, mapped, read_class_map
from ilk.evaluate.comparisons.agreement import Agreement, agreement
from ilk.evaluate.comparisons.baselines import (
    load_encoder_or_baseline,
    oriented_gradients,
    pixels,
    raw_pixels,
)
from ilk.evaluate.comparisons.corruption_error import relative_to
from ilk.evaluate.comparisons.over_seeds import (
    SeedDifference,
    SeedMean,
    difference_over_seeds,
    holm,
    mean_over_seeds,
)
from ilk.evaluate.comparisons.paired import Comparison, compare, subject
from ilk.evaluate.ledger import Ledger
from ilk.evaluate.metrics.interval import bootstrap, clopper_pearson
from ilk.evaluate.overlap import NearDuplicates, near_duplicates
from ilk.evaluate.protocols.heldout import held_out
from ilk.evaluate.protocols.protocol import (
    Images,
    Labelled,
    Measured,
    Procedure,
    Protocol,
    Task,
    top1,
)
from ilk.evaluate.result import Result
from ilk.evaluate.suite import PROTOCOLS, evaluate, protocol
from ilk.evaluate.task import check_encoder

__all__ = [
    "PROTOCOLS",
    "Agreement",
    "ClassMap",
    "Comparison",
    "Images",
    "Labelled",
    "Ledger",
    "Measured",
    "NearDuplicates",
    "Procedure",
    "Protocol",
    "Result",
    "SeedDifference",
    "SeedMean",
    "Task",
    "agreement",
    "bootstrap",
    "check_encoder",
    "check_sources",
    "clopper_pearson",
    "compare",
    "difference_over_seeds",
    "evaluate",
    "held_out",
    "holm",
    "load_encoder_or_baseline",
    "mapped",
    "mean_over_seeds",
    "near_duplicates",
    "oriented_gradients",
    "pixels",
    "protocol",
    "raw_pixels",
    "read_class_map",
    "relative_to",
    "subject",
    "top1",
]  # fmt: skip
