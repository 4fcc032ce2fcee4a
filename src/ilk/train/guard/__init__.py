"""Given weights are scored before they are trained, and not let become worse."""
