"""Several methods over several seeds on the same images: runs, scores, one table."""

from ilk.study.cells import Cell, baselines, cells
from ilk.study.semi import SEMI, FewLabelProtocol, Split, labelled_alone
from ilk.study.study import Study, Watch
from ilk.study.table import Difference, Row, Summary, percentage_points, summary

__all__ = [
    "SEMI",
    "Cell",
    "Difference",
    "FewLabelProtocol",
    "Row",
    "Split",
    "Study",
    "Summary",
    "Watch",
    "baselines",
    "cells",
    "labelled_alone",
    "percentage_points",
    "summary",
]
