"""Several processes, their signals, and weights that are cut between them."""
