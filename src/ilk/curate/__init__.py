"""What is in a collection: duplicates, leaks, faults, groups, and which images to choose."""
