"""Numbers and intervals: what is measured, however it was found."""
