"""Two encoders, many seeds, many conditions: what may be said of a difference."""
