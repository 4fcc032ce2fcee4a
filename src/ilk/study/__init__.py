"""Several methods over several seeds on the same images: runs, scores, one table."""

from ilk.study.cells import Cell, baselines, cells
from ilk.study.study import Study, Watch
from ilk.study.table import Difference, Row, Summary, percentage_points, summary

__all__ = [
    "Cell",
    "Difference",
    "Row",
    "Study",
    "Summary",
    "Watch",
    "baselines",
    "cells",
    "percentage_points",
    "summary",
]
