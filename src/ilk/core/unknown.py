"""One number for what is not known: the source of a row, the label of an item."""

UNKNOWN = -1
