"""Several methods over several seeds on the same images: runs, scores, one table."""

from ilk.study.cells import Cell, baselines, cells
from ilk.study.study import Study
from ilk.study.table import Difference, Row, Summary, summary

__all__ = [
    "Cell",
    "Difference",
    "Row",
    "Study",
    "Summary",
    "baselines",
    "cells",
    "summary",
]
