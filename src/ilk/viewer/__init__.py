"""Pages over what the other parts wrote."""

from ilk.viewer.comparison import Rival, comparison
from ilk.viewer.duplicates import copies_report, groups_report
from ilk.viewer.evaluations import EvaluatedEncoder, evaluations_report, read_evaluations
from ilk.viewer.facts import run_facts
from ilk.viewer.learning import learning_curves
from ilk.viewer.looks import (
    answer_chapters,
    colour_chapters,
    look_chapters,
    pair_chapters,
    task_chapters,
)
from ilk.viewer.losses import loss_sections
from ilk.viewer.mistakes import mistakes
from ilk.viewer.neighbours import lookups
from ilk.viewer.page import page, write_report
from ilk.viewer.reconstructions import reconstruction_chapters
from ilk.viewer.report import (
    CaptionedImage,
    Chapter,
    CropPair,
    Facts,
    Figure,
    Grid,
    ImageViews,
    Line,
    Lookup,
    LossSection,
    Matrix,
    Neighbour,
    Report,
    Results,
    Score,
    ScoreRow,
)
from ilk.viewer.study import study_report
from ilk.viewer.training import training_report
from ilk.viewer.views import view_rows

__all__ = [
    "CaptionedImage",
    "Chapter",
    "CropPair",
    "EvaluatedEncoder",
    "Facts",
    "Figure",
    "Grid",
    "ImageViews",
    "Line",
    "Lookup",
    "LossSection",
    "Matrix",
    "Neighbour",
    "Report",
    "Results",
    "Rival",
    "Score",
    "ScoreRow",
    "answer_chapters",
    "colour_chapters",
    "comparison",
    "copies_report",
    "evaluations_report",
    "groups_report",
    "learning_curves",
    "look_chapters",
    "lookups",
    "loss_sections",
    "mistakes",
    "page",
    "pair_chapters",
    "read_evaluations",
    "reconstruction_chapters",
    "run_facts",
    "study_report",
    "task_chapters",
    "training_report",
    "view_rows",
    "write_report",
]
