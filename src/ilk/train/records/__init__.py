"""What is written of a run, sealed and read back."""
