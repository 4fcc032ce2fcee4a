"""Two encoders, many seeds, many conditions: which differences are significant."""
