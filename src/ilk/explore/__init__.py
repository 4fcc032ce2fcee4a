"""The page of an index, served to this machine alone: map, grid, inspector, decisions."""
