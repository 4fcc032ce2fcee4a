"""Pages over what the other parts wrote."""

from ilk.viewer.comparison import Rival, comparison
from ilk.viewer.facts import run_facts
from ilk.viewer.inspector import inspected
from ilk.viewer.kinship import lookups
from ilk.viewer.learning import learning_curves
from ilk.viewer.looking import looks
from ilk.viewer.mistakes import mistakes
from ilk.viewer.page import page, write_report
from ilk.viewer.report import (
    Chapter,
    Contender,
    Facts,
    Figure,
    Grid,
    Kinship,
    Line,
    Looks,
    Lookup,
    Matrix,
    Neighbour,
    Picture,
    Report,
    Results,
    Score,
)
from ilk.viewer.standings import Standing, standings, standings_report
from ilk.viewer.study import study_report

__all__ = [
    "Chapter",
    "Contender",
    "Facts",
    "Figure",
    "Grid",
    "Kinship",
    "Line",
    "Looks",
    "Lookup",
    "Matrix",
    "Neighbour",
    "Picture",
    "Report",
    "Results",
    "Rival",
    "Score",
    "Standing",
    "comparison",
    "inspected",
    "learning_curves",
    "looks",
    "lookups",
    "mistakes",
    "page",
    "run_facts",
    "standings",
    "standings_report",
    "study_report",
    "write_report",
]
