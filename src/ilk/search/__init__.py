"""Indexes over stored vectors: built, opened, searched and measured."""

from ilk.search.build import append_to_index, build_index, delete_from_index
from ilk.search.header import DERIVED, Header
from ilk.search.images import IndexedImages
from ilk.search.index import Index
from ilk.search.masks import rows_where
from ilk.search.vectors import Vectors, unit

__all__ = [
    "DERIVED", "Header", "Index", "IndexedImages", "Vectors", "append_to_index", "build_index",
    "delete_from_index", "rows_where", "unit",
]  # fmt: skip
