"""One training step: what feeds it, what it does, what watches it."""
