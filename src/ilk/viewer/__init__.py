"""Pages over what the other parts wrote."""

from ilk.viewer.comparison import Rival, comparison
from ilk.viewer.facts import run_facts
from ilk.viewer.inspector import inspected
from ilk.viewer.kinship import lookups
from ilk.viewer.learning import learning_curves
from ilk.viewer.looking import looks
from ilk.viewer.page import page, write_report
from ilk.viewer.report import (
    Contender,
    Facts,
    Figure,
    Kinship,
    Line,
    Looks,
    Lookup,
    Neighbour,
    Picture,
    Report,
    Results,
    Score,
)

__all__ = [
    "Contender",
    "Facts",
    "Figure",
    "Kinship",
    "Line",
    "Looks",
    "Lookup",
    "Neighbour",
    "Picture",
    "Report",
    "Results",
    "Rival",
    "Score",
    "comparison",
    "inspected",
    "learning_curves",
    "looks",
    "lookups",
    "page",
    "run_facts",
    "write_report",
]
