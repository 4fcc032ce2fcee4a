"""Pages over what the other parts wrote."""

from ilk.viewer.comparison import Rival, comparison
from ilk.viewer.facts import run_facts
from ilk.viewer.learning import learning_curves
from ilk.viewer.losses import loss_sections
from ilk.viewer.mistakes import mistakes
from ilk.viewer.neighbours import lookups
from ilk.viewer.page import page, write_report
from ilk.viewer.report import (
    Chapter,
    Contender,
    Facts,
    Figure,
    Grid,
    Line,
    Looks,
    Lookup,
    LossSection,
    Matrix,
    Neighbour,
    Picture,
    Report,
    Results,
    Score,
)
from ilk.viewer.standings import Standing, standings, standings_report
from ilk.viewer.study import study_report
from ilk.viewer.views import view_rows

__all__ = [
    "Chapter",
    "Contender",
    "Facts",
    "Figure",
    "Grid",
    "Line",
    "Looks",
    "Lookup",
    "LossSection",
    "Matrix",
    "Neighbour",
    "Picture",
    "Report",
    "Results",
    "Rival",
    "Score",
    "Standing",
    "comparison",
    "learning_curves",
    "lookups",
    "loss_sections",
    "mistakes",
    "page",
    "run_facts",
    "standings",
    "standings_report",
    "study_report",
    "view_rows",
    "write_report",
]
