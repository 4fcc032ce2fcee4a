"""Indexes over stored vectors: built, opened, searched and measured."""
