"""Indexes over stored vectors: built, opened, searched and measured."""

from ilk.search.build import build_index, build_share
from ilk.search.change import append_to_index, delete_from_index
from ilk.search.header import DERIVED, Header, in_words
from ilk.search.images import IndexedImages
from ilk.search.index import Index
from ilk.search.masks import rows_where
from ilk.search.plan import Codes, Engine, Plan
from ilk.search.vectors import Vectors, unit

__all__ = [
    "DERIVED", "Codes", "Engine", "Header", "Index", "IndexedImages", "Plan", "Vectors",
    "append_to_index", "build_index", "build_share", "delete_from_index", "in_words",
    "rows_where", "unit",
]  # fmt: skip
