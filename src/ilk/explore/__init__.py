"""The page of an index, served to this machine alone: map, grid, inspector, decisions."""

from ilk.explore.jobs import Jobs
from ilk.explore.opened import open_collection
from ilk.explore.page import Page

__all__ = ["Jobs", "Page", "open_collection"]
